//! Sound cards that capture.

use super::{Microphone, SoundRange};
use crate::capture::alsa::pcm::keep_quiet;
use alsa::Direction;
use alsa::ctl::{Ctl, DeviceIter};
use alsa::pcm::{HwParams, PCM};

/// More cards and devices of a card than a box has.
const MAX_CARDS: usize = 32;
const MAX_DEVICES: usize = 32;

pub(super) fn list() -> Vec<Microphone> {
    let _quiet = keep_quiet();
    found().map(|(name, device)| Microphone { name, can: range(&device.hardware), device: device.converting }).collect()
}

pub(super) fn first() -> Option<String> {
    let _quiet = keep_quiet();
    found().next().map(|(_, device)| device.converting)
}

/// Two names of one device.
struct Names {
    hardware: String,
    /// With rate, format and channels converted as needed.
    converting: String,
}

/// Name for people, and device. By the card's own id, which stays when other cards come and go.
fn found() -> impl Iterator<Item = (String, Names)> {
    let cards = alsa::card::Iter::new().take(MAX_CARDS).filter_map(Result::ok);
    cards.flat_map(|card| devices_of(&card).unwrap_or_default())
}

fn devices_of(card: &alsa::Card) -> alsa::Result<Vec<(String, Names)>> {
    let control = Ctl::from_card(card, true)?;
    let about = control.card_info()?;
    let (id, card_name) = (about.get_id()?, about.get_name().unwrap_or("sound card"));
    let captures = DeviceIter::new(&control).take(MAX_DEVICES).filter_map(|number| {
        let number = u32::try_from(number).ok()?;
        let info = control.pcm_info(number, 0, Direction::Capture).ok()?;
        let name = match info.get_name() {
            Ok(name) if !name.is_empty() && name != card_name => format!("{card_name}, {name}"),
            _ => card_name.to_owned(),
        };
        let at = format!("CARD={id},DEV={number}");
        Some((name, Names { hardware: format!("hw:{at}"), converting: format!("plughw:{at}") }))
    });
    Ok(captures.collect())
}

fn range(device: &str) -> Option<SoundRange> {
    let pcm = PCM::new(device, Direction::Capture, true).ok()?;
    let hardware = HwParams::any(&pcm).ok()?;
    Some(SoundRange {
        min_rate_hz: hardware.get_rate_min().ok()?,
        max_rate_hz: hardware.get_rate_max().ok()?,
        min_channels: hardware.get_channels_min().ok()?,
        max_channels: hardware.get_channels_max().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_microphone_is_one_of_the_list() {
        // Whatever this machine has, none included.
        assert_eq!(first(), list().first().map(|microphone| microphone.device.clone()));
    }

    #[test]
    fn what_hardware_can_do_is_asked_without_holding_it() {
        let range = range("null").expect("the null device");
        assert!(range.min_rate_hz <= 48_000 && range.max_rate_hz >= 48_000, "{range:?}");
        assert_eq!(range.min_channels, 1);
        assert_eq!(self::range("hw:29"), None);
    }
}
