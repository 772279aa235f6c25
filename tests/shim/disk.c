/*
 * A disk between a program and its files, for tests: loaded with LD_PRELOAD, it writes down what
 * the program does to files below one folder, and makes such calls fail, wait, or be the last.
 *
 *   SHIM_FOLDER   only files below this folder count; absolute, without symbolic links
 *   SHIM_RECORD   every change is appended to this file
 *   SHIM_RULES    rules, one a line; read again at every call, so a test changes them as it goes
 *   SHIM_BOOT_ID  stands for the machine's boot id, as if the machine had been started anew
 *
 * A rule is `CALLS PATH FIRST COUNT ACTION`: of the calls whose kind is one of CALLS (letters, see
 * `enum call`, or `*`) and whose path below the folder fits the pattern PATH, COUNT from number
 * FIRST on (0: all of them) get ACTION. Calls are counted from when the rules were last changed.
 *
 *   kill-before kill-after   the process is killed, as by kill -9
 *   kill-halfway             the same in the middle of a write
 *   short                    a write that takes the first half only, and says so
 *   ENOSPC EIO               the call fails
 *   hold                     the call waits until the rules are changed
 *   swallow                  a sync that does nothing and is not written down, but says that it did
 *
 * The record is a row of lines, each a change; after `write` follow the bytes. Files and folders
 * are named by inode, and by path where a name is made. `sync` gives the length that the record
 * had when the sync began: what was written down before that is on the disk. sync_file_range
 * promises nothing after a loss of power, and does nothing here.
 *
 * Everything under one lock but the syncs, so that the record has the order of what happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_RULES 16
#define SYNC_MICROSECONDS 1000
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

enum call {
    CREATE = 'c',   /* open that makes a file */
    WRITE = 'w',    /* write, pwrite, writev */
    RESIZE = 'r',   /* ftruncate */
    ALLOCATE = 'a', /* fallocate */
    SYNC = 's',     /* fsync, fdatasync */
    RENAME = 'n',   /* by the new name */
    UNLINK = 'u',   /* unlink, rmdir */
    MKDIR = 'm',
    SPACE = 'f',    /* statvfs: a rule makes it say that nothing is free */
};

enum action { PASS, KILL_BEFORE, KILL_AFTER, KILL_HALFWAY, SHORT, NO_SPACE, BROKEN, HOLD, SWALLOW };

static const char *const ACTIONS[] = {"pass",  "kill-before", "kill-after", "kill-halfway",
                                      "short", "ENOSPC",      "EIO",        "hold", "swallow"};

struct rule {
    char calls[16], path[256];
    long first, count, seen;
    enum action action;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder, *rules_path;
static int record = -1;
static char rules_text[4096];
static struct rule rules[MOST_RULES];
static int rule_count;

/* The program's own calls go through libc, ours straight to the kernel. */
static int open_directly(const char *path, int flags) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666);
}

__attribute__((constructor)) static void start(void) {
    folder = getenv("SHIM_FOLDER");
    rules_path = getenv("SHIM_RULES");
    const char *path = getenv("SHIM_RECORD");
    if (path)
        record = open_directly(path, O_WRONLY | O_APPEND | O_CREAT);
    if (path && record < 0)
        abort();
}

/* ---- which file ---- */

/* What lies behind the folder's name in `path`, or null when it is not below the folder. */
static const char *below(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length) != 0)
        return NULL;
    return path[length] == '/' ? path + length + 1 : path[length] ? NULL : path + length;
}

static const char *path_of(int fd, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return NULL;
    path[length] = 0;
    return below(path);
}

/* The whole path of `name`, as seen from a folder. */
static const char *path_at(int at, const char *name, char path[PATH_MAX]) {
    char base[PATH_MAX] = "";
    if (name[0] != '/') {
        if (at == AT_FDCWD && !getcwd(base, sizeof base))
            return NULL;
        if (at != AT_FDCWD && !path_of(at, base))
            return NULL;
    }
    snprintf(path, PATH_MAX, "%.*s%s%s", PATH_MAX / 2, base, base[0] ? "/" : "", name);
    return below(path);
}

static long inode_of(const char *path) {
    struct stat is;
    return lstat(path, &is) == 0 ? (long)is.st_ino : 0;
}

/* ---- rules ---- */

static enum action action_named(const char *name) {
    for (int i = 0; i < (int)(sizeof ACTIONS / sizeof *ACTIONS); i++)
        if (strcmp(name, ACTIONS[i]) == 0)
            return (enum action)i;
    abort();
}

static void read_rules(void) {
    char text[sizeof rules_text] = "";
    int fd = rules_path ? open_directly(rules_path, O_RDONLY) : -1;
    if (fd >= 0) {
        if (syscall(SYS_read, fd, text, sizeof text - 1) < 0)
            abort();
        syscall(SYS_close, fd);
    }
    if (strcmp(text, rules_text) == 0)
        return;
    strcpy(rules_text, text);
    rule_count = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rule_count < MOST_RULES;) {
        struct rule rule = {0};
        char action[32];
        int read = sscanf(line, "%15s %255s %ld %ld %31s", rule.calls, rule.path, &rule.first,
                          &rule.count, action);
        if (read != 5)
            continue;
        rule.action = action_named(action);
        rules[rule_count++] = rule;
    }
}

/* What is to happen to a call. Counts it. */
static enum action due(enum call call, const char *path) {
    read_rules();
    enum action action = PASS;
    for (int i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if (rule->calls[0] != '*' && !strchr(rule->calls, call))
            continue;
        if (fnmatch(rule->path, path, 0) != 0)
            continue;
        long number = ++rule->seen;
        if (number >= rule->first && (!rule->count || number < rule->first + rule->count))
            action = rule->action;
    }
    return action;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/*
 * Whether the call is to be made. Takes the lock, which `done` gives back; when it is not to be
 * made, errno says why, and the lock is free.
 */
static int begins(enum call call, const char *path, enum action *action) {
    pthread_mutex_lock(&lock);
    while ((*action = due(call, path)) == HOLD) {
        char held[sizeof rules_text];
        strcpy(held, rules_text);
        while (strcmp(held, rules_text) == 0) {
            pthread_mutex_unlock(&lock);
            usleep(2000);
            pthread_mutex_lock(&lock);
            read_rules();
        }
    }
    if (*action == KILL_BEFORE)
        die();
    if (*action != NO_SPACE && *action != BROKEN)
        return 1;
    errno = *action == NO_SPACE ? ENOSPC : EIO;
    pthread_mutex_unlock(&lock);
    return 0;
}

static void done(enum action action) {
    if (action == KILL_AFTER || action == KILL_HALFWAY)
        die();
    pthread_mutex_unlock(&lock);
}

/* ---- the record ---- */

static long recorded(void) {
    return record < 0 ? 0 : (long)syscall(SYS_lseek, record, 0, SEEK_END);
}

/* One entry is one append, so that entries of other processes do not come between. */
static void note_with(const void *bytes, size_t length, const char *format, va_list values) {
    if (record < 0)
        return;
    char line[2 * PATH_MAX];
    int head = vsnprintf(line, sizeof line, format, values);
    struct iovec parts[] = {{line, (size_t)head}, {(void *)bytes, length}};
    int error = errno;
    if (syscall(SYS_writev, record, parts, 2) != (long)(head + length))
        abort();
    errno = error;
}

static void note(const char *format, ...) {
    va_list values;
    va_start(values, format);
    note_with(NULL, 0, format, values);
    va_end(values);
}

static void note_bytes(const void *bytes, size_t length, const char *format, ...) {
    va_list values;
    va_start(values, format);
    note_with(bytes, length, format, values);
    va_end(values);
}

/* ---- the calls ---- */

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset, int moves) {
    if (moves)
        return syscall(SYS_write, fd, bytes, length);
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

/* `moves`: at the file's own place, which moves on. */
static ssize_t write_file(int fd, const void *bytes, size_t length, off_t offset, int moves) {
    char path[PATH_MAX];
    const char *name = path_of(fd, path);
    struct stat before;
    if (!name || length == 0 || fstat(fd, &before) != 0 || !S_ISREG(before.st_mode))
        return write_at(fd, bytes, length, offset, moves);
    enum action action;
    if (!begins(WRITE, name, &action))
        return -1;
    if ((action == KILL_HALFWAY || action == SHORT) && length > 1)
        length /= 2;
    if (moves) {
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        offset = appends ? before.st_size : lseek(fd, 0, SEEK_CUR);
    }
    ssize_t written = write_at(fd, bytes, length, offset, moves);
    if (written > 0)
        note_bytes(bytes, (size_t)written, "write %ld %ld %ld\n", (long)before.st_ino,
                   (long)offset, (long)written);
    done(action);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return write_file(fd, bytes, length, 0, 1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    return write_file(fd, bytes, length, offset, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return write_file(fd, bytes, length, offset, 0);
}

/* Sockets and pipes pass; of a file's parts the first is written, which is a short write. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (count < 1 || !path_of(fd, path))
        return syscall(SYS_writev, fd, parts, count);
    return write_file(fd, parts[0].iov_base, parts[0].iov_len, 0, 1);
}

static int open_file(int at, const char *name, int flags, mode_t mode) {
    const char *boot_id = getenv("SHIM_BOOT_ID");
    if (boot_id && strcmp(name, BOOT_ID) == 0)
        name = boot_id;
    char path[PATH_MAX];
    const char *below_folder = path_at(at, name, path);
    if (!below_folder || !(flags & (O_CREAT | O_TRUNC)))
        return (int)syscall(SYS_openat, at, name, flags, mode);
    long before = inode_of(path);
    enum action action = PASS;
    if (before)
        pthread_mutex_lock(&lock);
    else if (!begins(CREATE, below_folder, &action))
        return -1;
    int fd = (int)syscall(SYS_openat, at, name, flags, mode);
    if (fd >= 0 && !before)
        note("create %ld %s\n", inode_of(path), path);
    else if (fd >= 0 && flags & O_TRUNC)
        note("resize %ld 0\n", before);
    done(action);
    return fd;
}

#define MODE(flags)                                                                               \
    mode_t mode = 0;                                                                              \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                        \
        va_list more;                                                                             \
        va_start(more, flags);                                                                    \
        mode = va_arg(more, mode_t);                                                              \
        va_end(more);                                                                             \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_file(AT_FDCWD, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE(flags)
    return open_file(at, path, flags, mode);
}

int ftruncate64(int fd, off_t length) {
    char path[PATH_MAX];
    const char *name = path_of(fd, path);
    enum action action;
    if (!name)
        return (int)syscall(SYS_ftruncate, fd, length);
    if (!begins(RESIZE, name, &action))
        return -1;
    int result = (int)syscall(SYS_ftruncate, fd, length);
    struct stat is;
    if (result == 0 && fstat(fd, &is) == 0)
        note("resize %ld %ld\n", (long)is.st_ino, (long)length);
    done(action);
    return result;
}

int fallocate64(int fd, int mode, off_t offset, off_t length) {
    char path[PATH_MAX];
    const char *name = path_of(fd, path);
    enum action action;
    if (!name)
        return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if (!begins(ALLOCATE, name, &action))
        return -1;
    int result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
    struct stat is;
    if (result == 0 && fstat(fd, &is) == 0)
        note("resize %ld %ld\n", (long)is.st_ino, (long)is.st_size);
    done(action);
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    return fallocate64(fd, mode, offset, length);
}

/*
 * Syncing takes a while, but is not done: the record says what is on this disk, and what a process
 * wrote outlives it in the kernel's memory. The lock is not held meanwhile.
 */
static int sync_file(int fd, long number) {
    char path[PATH_MAX];
    const char *name = path_of(fd, path);
    struct stat is;
    enum action action;
    if (!name || fstat(fd, &is) != 0)
        return (int)syscall(number, fd);
    if (!begins(SYNC, name, &action))
        return -1;
    long begun = recorded();
    pthread_mutex_unlock(&lock);
    usleep(SYNC_MICROSECONDS);
    pthread_mutex_lock(&lock);
    if (action != SWALLOW)
        note("sync %ld %ld\n", (long)is.st_ino, begun);
    done(action);
    return 0;
}

int fsync(int fd) {
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return sync_file(fd, SYS_fdatasync);
}

int sync_file_range(int fd, off_t offset, off_t length, unsigned flags) {
    char path[PATH_MAX];
    if (path_of(fd, path))
        return 0;
    return (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
}

int rename(const char *from, const char *to) {
    char from_path[PATH_MAX], to_path[PATH_MAX];
    const char *name = path_at(AT_FDCWD, to, to_path);
    enum action action;
    if (!name || !path_at(AT_FDCWD, from, from_path))
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!begins(RENAME, name, &action))
        return -1;
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result == 0)
        note("rename %s\t%s\n", from_path, to_path);
    done(action);
    return result;
}

int unlinkat(int at, const char *name, int flags) {
    char path[PATH_MAX];
    const char *below_folder = path_at(at, name, path);
    enum action action;
    if (!below_folder)
        return (int)syscall(SYS_unlinkat, at, name, flags);
    if (!begins(UNLINK, below_folder, &action))
        return -1;
    int result = (int)syscall(SYS_unlinkat, at, name, flags);
    if (result == 0)
        note("unlink %s\n", path);
    done(action);
    return result;
}

int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path) {
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *name, mode_t mode) {
    char path[PATH_MAX];
    const char *below_folder = path_at(AT_FDCWD, name, path);
    enum action action;
    if (!below_folder)
        return (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (!begins(MKDIR, below_folder, &action))
        return -1;
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (result == 0)
        note("mkdir %ld %s\n", inode_of(path), path);
    done(action);
    return result;
}

/* A full disk also says so when it is asked. */
static void say_full(struct statvfs *is, const char *path) {
    pthread_mutex_lock(&lock);
    if (due(SPACE, path) == NO_SPACE)
        is->f_bavail = is->f_bfree = 0;
    pthread_mutex_unlock(&lock);
}

int statvfs64(const char *path, struct statvfs64 *is) {
    int (*real)(const char *, struct statvfs64 *);
    *(void **)&real = dlsym(RTLD_NEXT, "statvfs64");
    int result = real(path, is);
    const char *name = below(path);
    if (result == 0 && name)
        say_full((struct statvfs *)is, name);
    return result;
}

int statvfs(const char *path, struct statvfs *is) {
    return statvfs64(path, (struct statvfs64 *)is);
}
