//! An ordered map: values found by object, and kept in the order in which they came.

use std::collections::{BTreeMap, HashMap};

use super::object::{ObjectId, ObjectRef};

/// Values, one for each object, whatever version of its group the object is written in.
#[derive(Debug, Clone)]
pub struct Objects<T> {
    places: HashMap<ObjectId, u64>,
    values: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Objects<T> {
    /// The value of an object.
    pub fn get(&self, object: &ObjectRef) -> Option<&T> {
        self.values.get(self.places.get(&object.id())?)
    }

    /// The value of an object, to be changed.
    pub fn get_mut(&mut self, object: &ObjectRef) -> Option<&mut T> {
        self.values.get_mut(self.places.get(&object.id())?)
    }

    /// Sets the value of an object: in the place of the one that it had, else as the last.
    pub fn insert(&mut self, object: &ObjectRef, value: T) {
        let place = *self.places.entry(object.id()).or_insert(self.next);
        self.next += 1;
        self.values.insert(place, value);
    }

    /// Takes the value of an object out.
    pub fn remove(&mut self, object: &ObjectRef) -> Option<T> {
        self.values.remove(&self.places.remove(&object.id())?)
    }

    /// All values, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.values.values()
    }

    /// All values, in order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.values_mut()
    }

    /// All values, in order.
    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.values.into_values()
    }
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), values: BTreeMap::new(), next: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(api_version: &str, name: &str) -> ObjectRef {
        ObjectRef::new(api_version, "A", None, name)
    }

    #[test]
    fn a_value_keeps_its_place_until_it_is_removed() {
        let mut objects = Objects::default();
        for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
            objects.insert(&object("x/v1", name), at);
        }
        objects.insert(&object("x/v2", "a"), 10);
        assert_eq!(objects.iter().copied().collect::<Vec<_>>(), [10, 1, 2]);
        assert_eq!(objects.remove(&object("x/v1", "a")), Some(10));
        objects.insert(&object("x/v1", "a"), 11);
        assert_eq!(objects.iter().copied().collect::<Vec<_>>(), [1, 2, 11]);
        assert_eq!((objects.get(&object("x/v1", "b")), objects.get(&object("y/v1", "b"))), (Some(&1), None));
    }
}
