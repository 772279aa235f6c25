//! Rows in memory: those that sled does not have yet.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use crate::store::views::rows::Bytes;

/// A key, and what its row holds from now on; `None`: there is no such row.
pub(super) type Put = (Bytes, Option<Bytes>);

/// Rows as they are after the latest change to each.
#[derive(Default)]
pub struct Layer {
    rows: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
}

impl Layer {
    pub(super) fn put(&mut self, (key, value): Put) {
        let key_bytes = key.len();
        self.bytes += key_bytes + length(value.as_ref());
        if let Some(replaced) = self.rows.insert(key, value) {
            self.bytes -= key_bytes + length(replaced.as_ref());
        }
    }

    /// Takes in what was made later.
    pub(super) fn absorb(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
        } else {
            later.rows.into_iter().for_each(|put| self.put(put));
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.rows.get(key)
    }

    pub(super) fn range(&self, range: &Range<Vec<u8>>) -> impl Iterator<Item = Put> {
        let bounds = (Bound::Included(&*range.start), Bound::Excluded(&*range.end));
        self.rows.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, Option<&Bytes>)> {
        self.rows.iter().map(|(key, value)| (key, value.as_ref()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn length(value: Option<&Bytes>) -> usize {
    value.map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_put_again_counts_once() {
        let mut layer = Layer::default();
        let mut newer = Layer::default();
        layer.put((Bytes::from("key"), Some(Bytes::from("one"))));
        newer.put((Bytes::from("key"), Some(Bytes::from("three"))));
        layer.absorb(newer);
        assert_eq!(layer.bytes(), "key".len() + "three".len());
        layer.put((Bytes::from("key"), None));
        assert_eq!(layer.bytes(), "key".len());
        assert_eq!(layer.get(b"key"), Some(&None));
    }
}
