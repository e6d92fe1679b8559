//! What the board suffers from, told once each way. Sans-IO.

use super::events::What;
use crate::system::Board;
use serde::Serialize;

/// Raspberry Pis begin to hold themselves back at 80 °C, and others not much later.
const HOT_C: f64 = 80.0;
const COOL_C: f64 = 75.0;
/// What is left of the memory, parts of a hundred: below the first it is little, from the second on it is enough.
const MEMORY_LOW_PERCENT: u64 = 5;
const MEMORY_ENOUGH_PERCENT: u64 = 8;
/// Of what a card is made for, parts of a hundred.
const WORN_PERCENT: u8 = 90;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Troubles {
    pub too_hot: bool,
    /// The board is held back, by heat or for want of power.
    pub throttled: bool,
    pub under_voltage: bool,
    pub memory_low: bool,
    pub storage_worn: bool,
}

impl Troubles {
    /// Each by its name, as events and metrics have it.
    pub fn each(self) -> [(&'static str, bool); 5] {
        [
            ("too_hot", self.too_hot),
            ("throttled", self.throttled),
            ("under_voltage", self.under_voltage),
            ("memory_low", self.memory_low),
            ("storage_worn", self.storage_worn),
        ]
    }

    /// What has changed since the last look.
    pub(super) fn look(&mut self, board: &Board) -> Vec<What> {
        let before = *self;
        let hottest = board.temperatures.iter().map(|one| one.celsius).reduce(f64::max);
        let held = board.throttling.unwrap_or_default();
        self.too_hot = hottest.is_some_and(|celsius| celsius >= if before.too_hot { COOL_C } else { HOT_C });
        self.throttled = held.now;
        self.under_voltage = held.under_voltage.unwrap_or(false);
        if let (Some(total), Some(left)) = (board.memory_total_bytes, board.memory_available_bytes) {
            let percent = if before.memory_low { MEMORY_ENOUGH_PERCENT } else { MEMORY_LOW_PERCENT };
            self.memory_low = left < total / 100 * percent;
        }
        self.storage_worn = board.wear.iter().any(|card| card.used_percent >= WORN_PERCENT || card.near_its_end);
        let changes = self.each().into_iter().zip(before.each()).filter(|(now, before)| now != before);
        changes.map(|((trouble, on), _)| What::Board { trouble, on }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{Temperature, Throttling, Wear};

    fn told(troubles: &mut Troubles, board: &Board) -> Vec<(&'static str, bool)> {
        let told = troubles.look(board).into_iter();
        told.map(|what| match what {
            What::Board { trouble, on } => (trouble, on),
            other => panic!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn heat_is_told_once_each_way() {
        let mut troubles = Troubles::default();
        let mut at = |celsius| {
            let temperatures = vec![Temperature { zone: "cpu".to_owned(), celsius }];
            told(&mut troubles, &Board { temperatures, ..Board::default() })
        };
        assert_eq!([at(79.9), at(80.0), at(84.0), at(76.0)].concat(), [("too_hot", true)]);
        assert_eq!([at(74.9), at(78.0)].concat(), [("too_hot", false)]);
    }

    #[test]
    fn power_memory_and_cards() {
        let mut troubles = Troubles::default();
        let throttling = Throttling { now: true, under_voltage: Some(true), since_boot: Some(true) };
        let held = Board { throttling: Some(throttling), ..Board::default() };
        assert_eq!(told(&mut troubles, &held), [("throttled", true), ("under_voltage", true)]);
        assert_eq!(told(&mut troubles, &Board::default()), [("throttled", false), ("under_voltage", false)]);
        let mut left = |percent: u64| {
            let memory = (Some(1_000_000), Some(percent * 10_000));
            let board = Board { memory_total_bytes: memory.0, memory_available_bytes: memory.1, ..Board::default() };
            told(&mut troubles, &board)
        };
        assert_eq!([left(6), left(4), left(7)].concat(), [("memory_low", true)]);
        assert_eq!(left(9), [("memory_low", false)]);
        let card = |used_percent, near_its_end| {
            let wear = vec![Wear { device: "mmcblk0".to_owned(), used_percent, near_its_end }];
            told(&mut Troubles::default(), &Board { wear, ..Board::default() })
        };
        assert!(card(80, false).is_empty());
        assert_eq!((card(90, false), card(10, true)), (vec![("storage_worn", true)], vec![("storage_worn", true)]));
    }
}
