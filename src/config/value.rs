//! Values with a syntax of their own: sizes, frame rates, bitrates. No floats: decimal numbers are read as text.

use super::Size;
use super::section::described;
use crate::time::FrameRate;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Sides of a picture, px. The lower end is what OpenH264 takes, the upper what [`crate::media`] bounds its buffers by.
pub(super) const SIDE_PX: RangeInclusive<u32> = 16..=4096;
/// Frames a second: a fast camera, with reserve.
const MAX_FPS: u32 = 120;

/// `"1280x720"`.
pub(super) fn size(value: &DeValue<'_>) -> Result<Size, String> {
    let right = || {
        format!("it must be WIDTHxHEIGHT, both even, from {} to {}, like \"1280x720\"", SIDE_PX.start(), SIDE_PX.end())
    };
    let wrong = || format!("is {}; {}", described(value), right());
    let DeValue::String(text) = value else { return Err(wrong()) };
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| digits(text).and_then(|side| u32::try_from(side).ok()).ok_or_else(wrong);
    let size = Size { width: side(width)?, height: side(height)? };
    let good = |side: u32| SIDE_PX.contains(&side) && side.is_multiple_of(2);
    if good(size.width) && good(size.height) { Ok(size) } else { Err(wrong()) }
}

/// `30`, `29.97`, `"29.97"`, `"30000/1001"`.
pub(super) fn frame_rate(value: &DeValue<'_>) -> Result<FrameRate, String> {
    let rate = match value {
        DeValue::String(text) => match text.split_once('/') {
            Some((num, den)) => digits(num).zip(digits(den)),
            None => decimal_rate(text),
        },
        DeValue::Integer(number) if number.radix() == 10 => decimal_rate(number.as_str()),
        DeValue::Float(number) => decimal_rate(number.as_str()),
        _ => None,
    };
    rate.and_then(in_lowest_terms).ok_or_else(|| {
        format!("is {}; it must be from 1 to {MAX_FPS}, like 30, 29.97 or \"30000/1001\"", described(value))
    })
}

/// The rates that television writes in short are fractions of 1001; any other decimal number is taken at its word.
fn decimal_rate(text: &str) -> Option<(u64, u64)> {
    match thousandths(text)? {
        23_976 | 23_980 => Some((24_000, 1_001)),
        29_970 => Some((30_000, 1_001)),
        59_940 => Some((60_000, 1_001)),
        119_880 => Some((120_000, 1_001)),
        other => Some((other, 1_000)),
    }
}

fn in_lowest_terms((num, den): (u64, u64)) -> Option<FrameRate> {
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (num, den) = (num.checked_div(a)?, den.checked_div(a)?);
    let rate = FrameRate::new(u32::try_from(num).ok()?, u32::try_from(den).ok()?)?;
    (num >= den && num <= den * u64::from(MAX_FPS)).then_some(rate)
}

/// `"3M"`, `"2.5M"`, `"128k"`, `3000000`: bits a second.
pub(super) fn bitrate(value: &DeValue<'_>, range: &RangeInclusive<u32>) -> Result<u32, String> {
    let bps = match value {
        DeValue::String(text) => {
            let (number, factor) = match text.strip_suffix(['M', 'k']) {
                Some(number) => (number, if text.ends_with('M') { 1_000_000 } else { 1_000 }),
                None => (text.as_ref(), 1),
            };
            thousandths(number).and_then(|n| n.checked_mul(factor)).map(|n| n / 1_000)
        }
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    bps.and_then(|bps| u32::try_from(bps).ok()).filter(|bps| range.contains(bps)).ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        format!(
            "is {}; it must be from {} to {}, like \"3M\", \"128k\" or bits a second",
            described(value),
            short(*low),
            short(*high)
        )
    })
}

/// A bitrate as people write it.
fn short(bps: u32) -> String {
    match bps {
        _ if bps.is_multiple_of(1_000_000) => format!("{}M", bps / 1_000_000),
        _ if bps.is_multiple_of(1_000) => format!("{}k", bps / 1_000),
        _ => bps.to_string(),
    }
}

/// Digits only: no sign, no space, no underscore.
fn digits(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

/// A decimal number with at most three places, in thousandths.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').map_or((text, None), |(whole, places)| (whole, Some(places)));
    let rest = match places {
        None => 0,
        // "9" is 900 thousandths, "97" 970.
        Some(places) if places.len() <= 3 => digits(places)? * 10_u64.pow(3 - u32::try_from(places.len()).ok()?),
        Some(_) => return None,
    };
    digits(whole)?.checked_mul(1_000)?.checked_add(rest)
}
