//! Why things are as they are: one sentence for a person.
//!
//! What a report did is said of the present, so the sentence about an event may change when later
//! ones come; it is never stored.

mod account;
mod report;

pub use account::account;
pub use report::report;

/// How many names a sentence carries before it only counts.
const NAMES: usize = 3;

/// What is added for an event whose id came again with another content.
pub const OTHER_CONTENT: &str =
    "Its id came again with another content, which was not used: the first one stays.";

/// A type that bursar does not track, or a `thin` event, which carries no object.
pub fn ignored(event_type: &str, thin: bool) -> String {
    if thin {
        format!("Kept, not used: {event_type} came as a thin event, which carries no object.")
    } else {
        format!("Kept, not used: bursar does not track {event_type}.")
    }
}

pub fn parked(reason: &str) -> String {
    format!(
        "Kept, but its content cannot be used: {reason}. A version that can use it tries it again by itself."
    )
}

/// The first few names, and how many more there are.
fn names<T: AsRef<str>>(all: &[T]) -> String {
    let some: Vec<&str> = all.iter().take(NAMES).map(AsRef::as_ref).collect();
    match (some.split_last(), all.len().saturating_sub(some.len())) {
        (None, _) => String::new(),
        (Some(_), more @ 1..) => format!("{} and {more} more", some.join(", ")),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, first)), 0) => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
