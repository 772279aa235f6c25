//! A thread that syncs a file while its owner goes on.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

/// The thread ends when this is dropped.
pub(super) struct Syncer {
    asks: Sender<Ask>,
}

struct Ask {
    file: Arc<File>,
    answer: Sender<io::Result<()>>,
}

impl Syncer {
    pub(super) fn start() -> io::Result<Self> {
        let (asks, asked) = channel::<Ask>();
        std::thread::Builder::new().name("bursar-sync".to_owned()).spawn(move || {
            for Ask { file, answer } in asked {
                // Who asked may have panicked meanwhile.
                answer.send(file.sync_data()).ok();
            }
        })?;
        Ok(Self { asks })
    }

    /// Returns what `meanwhile` does, once the file is synced as well.
    pub(super) fn sync_while<T>(
        &self,
        file: &Arc<File>,
        meanwhile: impl FnOnce() -> T,
    ) -> (io::Result<()>, T) {
        #[cfg(test)]
        if let Err(error) = super::fault::on_sync() {
            return (Err(error), meanwhile());
        }
        let gone = || io::Error::other("the thread that syncs is gone");
        let (answer, answered) = channel();
        let asked = self.asks.send(Ask { file: Arc::clone(file), answer }).map_err(|_| gone());
        let done = meanwhile();
        (asked.and_then(|()| answered.recv().map_err(|_| gone())?), done)
    }
}
