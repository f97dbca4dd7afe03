//! A map of bounded size that forgets what has been idle longest.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;

/// Two generations: what is touched goes to the young one, and once that is half of the bound, it becomes the old one
/// and the old one is dropped. So whatever is forgotten has not been touched while half of the bound came by, and no
/// list has to be kept in order.
#[derive(Debug)]
pub(super) struct Recent<V> {
    young: HashMap<u64, V, RandomState>,
    old: HashMap<u64, V, RandomState>,
    half: usize,
}

impl<V> Recent<V> {
    /// At most `entries_max` entries, at least two.
    pub fn new(entries_max: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), half: (entries_max / 2).max(1) }
    }

    /// The entry of `key`, without touching it.
    #[cfg(test)]
    pub fn peek(&self, key: u64) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// The entry of `key`, touched; a new one where there is none.
    pub fn touch(&mut self, key: u64, fresh: impl FnOnce() -> V) -> &mut V {
        let older = self.old.remove(&key);
        if !self.young.contains_key(&key) && self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(key).or_insert_with(|| older.unwrap_or_else(fresh))
    }

    /// The entry of `key` if there is one; it counts as no touch.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        self.young.get_mut(&key).or_else(|| self.old.get_mut(&key))
    }

    /// Entries now.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_the_idle_go_first() {
        let mut recent = Recent::new(8);
        for key in 0..1000 {
            *recent.touch(key, || 0_u64) += key;
            recent.touch(3, || 100);
            assert!(recent.len() <= 8, "{}", recent.len());
            assert!(key == 3 || recent.peek(key) == Some(&key));
        }
        assert_eq!(recent.peek(3), Some(&103), "touched every time");
        assert_eq!(recent.peek(500), None);
        assert_eq!(recent.peek(999), Some(&999));
    }

    #[test]
    fn what_is_looked_at_without_touching_ages() {
        let mut recent = Recent::new(4);
        recent.touch(1, || 'a');
        for key in 2..6 {
            recent.touch(key, || 'b');
            recent.get_mut(1);
            recent.peek(1);
        }
        assert_eq!(recent.peek(1), None);
    }
}
