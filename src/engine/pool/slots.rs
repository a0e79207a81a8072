//! Numbered places, each given again when it is free.

/// How many places are kept when none is used.
const MOST_KEPT: usize = 1024;

#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Slots<T> {
        Slots { places: Vec::new(), free: Vec::new() }
    }

    /// Puts what `value` makes for a free place into it, and says which it is.
    pub(super) fn insert_with(&mut self, value: impl FnOnce(usize) -> T) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(value(place));
                place
            }
            None => {
                let place = self.places.len();
                self.places.push(Some(value(place)));
                place
            }
        }
    }

    /// The place itself, whatever is in it.
    pub(super) fn place(&self, place: usize) -> Option<&Option<T>> {
        self.places.get(place)
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let value = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        // Of very many that were, no trace is kept.
        if self.free.len() == self.places.len() && self.places.len() > MOST_KEPT {
            *self = Slots::new();
        }
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_again() {
        let mut slots = Slots::new();
        let places: Vec<_> = ["a", "b", "c"].into_iter().map(|value| slots.insert_with(|_| value)).collect();
        assert_eq!(slots.remove(places[1]), Some("b"));
        assert_eq!(slots.remove(places[1]), None);
        assert!(slots.get_mut(places[1]).is_none() && slots.get_mut(99).is_none());
        assert_eq!(slots.insert_with(|_| "d"), places[1]);
        assert_eq!(slots.iter().copied().collect::<Vec<_>>(), ["a", "d", "c"]);
    }
}
