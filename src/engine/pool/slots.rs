//! Numbered places that are reused. Data that belongs to a place stays with it.

/// The maximum number of places that are kept when none is in use.
const MAX_KEPT: usize = 1024;

#[derive(Debug)]
pub(super) struct Slots<T, P = ()> {
    places: Vec<Place<T, P>>,
    free: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Place<T, P> {
    pub(super) own: P,
    pub(super) value: Option<T>,
}

impl<T, P> Slots<T, P> {
    pub(super) const fn new() -> Slots<T, P> {
        Slots { places: Vec::new(), free: Vec::new() }
    }

    /// Puts a value into a free place and returns the place's number. `own` makes the data of a new place.
    pub(super) fn insert(&mut self, value: T, own: impl FnOnce(usize) -> P) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place].value = Some(value);
                place
            }
            None => {
                let place = self.places.len();
                self.places.push(Place { own: own(place), value: Some(value) });
                place
            }
        }
    }

    /// Returns the place itself, whether or not it has a value.
    pub(super) fn place(&self, place: usize) -> Option<&Place<T, P>> {
        self.places.get(place)
    }

    pub(super) fn place_mut(&mut self, place: usize) -> Option<&mut Place<T, P>> {
        self.places.get_mut(place)
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.value.as_ref()
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let value = self.places.get_mut(place)?.value.take()?;
        self.free.push(place);
        // After a burst, its memory is given back.
        if self.free.len() == self.places.len() && self.places.len() > MAX_KEPT {
            *self = Slots::new();
        }
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.value.as_ref())
    }
}

impl<T, P> Default for Slots<T, P> {
    fn default() -> Self {
        Slots::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_again_with_what_is_theirs() {
        let mut slots = Slots::new();
        let places: Vec<_> = ["a", "b", "c"].into_iter().map(|value| slots.insert(value, |place| place * 10)).collect();
        assert_eq!(slots.remove(places[1]), Some("b"));
        assert_eq!(slots.remove(places[1]), None);
        assert!(slots.get(places[1]).is_none() && slots.place(99).is_none());
        assert_eq!(slots.insert("d", |_| unreachable!("it has one")), places[1]);
        assert_eq!(slots.place(places[1]).map(|place| (place.own, place.value)), Some((10, Some("d"))));
        assert_eq!(slots.iter().copied().collect::<Vec<_>>(), ["a", "d", "c"]);
    }
}
