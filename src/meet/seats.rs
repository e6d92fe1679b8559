//! Which of the others sits on which medium that one receives. Pure.

/// Seats of one kind, picture or sound, in the order in which they were offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats<T> {
    seats: Vec<Option<T>>,
}

impl<T> Default for Seats<T> {
    fn default() -> Self {
        Self { seats: Vec::new() }
    }
}

impl<T: Copy + PartialEq> Seats<T> {
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// More seats; there are never fewer.
    pub fn grow(&mut self, to: usize) {
        if to > self.seats.len() {
            self.seats.resize(to, None);
        }
    }

    pub fn get(&self, seat: usize) -> Option<T> {
        self.seats.get(seat).copied().flatten()
    }

    pub fn taken(&self) -> impl Iterator<Item = (usize, T)> {
        self.seats.iter().enumerate().filter_map(|(seat, who)| Some((seat, (*who)?)))
    }

    /// Seats `wanted`, the first before the others: who sits stays where they are, who isn't wanted gets up.
    /// Whether anything changed.
    pub fn seat(&mut self, wanted: &[T]) -> bool {
        let before = self.seats.clone();
        let wanted = wanted.get(..wanted.len().min(self.seats.len())).unwrap_or_default();
        for seat in &mut self.seats {
            *seat = seat.filter(|who| wanted.contains(who));
        }
        for who in wanted {
            if !self.seats.contains(&Some(*who))
                && let Some(free) = self.seats.iter_mut().find(|seat| seat.is_none())
            {
                *free = Some(*who);
            }
        }
        self.seats != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_sits_stays() {
        let mut seats = Seats::default();
        assert!(!seats.seat(&[1, 2]), "no seats yet");
        seats.grow(2);
        assert!(seats.seat(&[1, 2, 3]));
        assert!(seats.seat(&[3, 2]), "3 in 1's place");
        assert_eq!(seats.taken().collect::<Vec<_>>(), [(0, 3), (1, 2)]);
        assert!(!seats.seat(&[2, 3]));
        seats.grow(1);
        assert_eq!(seats.len(), 2);
    }

    proptest! {
        #[test]
        fn the_wanted_sit_once_and_nobody_else(rounds in proptest::collection::vec(proptest::collection::hash_set(0u8..9, 0..7), 1..9), count in 0usize..6) {
            let mut seats = Seats::default();
            seats.grow(count);
            for wanted in rounds {
                let wanted: Vec<_> = wanted.into_iter().collect();
                let before: Vec<_> = seats.taken().collect();
                seats.seat(&wanted);
                let first = &wanted[..wanted.len().min(count)];
                let taken: Vec<_> = seats.taken().collect();
                prop_assert_eq!(taken.len(), first.len());
                prop_assert!(first.iter().all(|who| taken.iter().filter(|(_, sits)| sits == who).count() == 1));
                for (seat, who) in before {
                    prop_assert!(!first.contains(&who) || seats.get(seat) == Some(who));
                }
            }
        }
    }
}
