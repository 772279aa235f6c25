//! A value that another can take the place of while it is in use.

use std::sync::{Arc, PoisonError, RwLock};

/// Clones share the value. Who has taken it goes on with what it was then.
#[derive(Debug)]
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Current<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_see_the_new_value_and_who_took_the_old_one_keeps_it() {
        let current = Current::from(1);
        let (other, taken) = (current.clone(), current.get());
        current.replace(2);
        assert_eq!((*other.get(), *taken), (2, 1));
    }
}
