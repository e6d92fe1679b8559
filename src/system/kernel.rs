//! What the kernel's files look like: text in, numbers out.

use super::Throttling;

/// The first line, without what ends it (a zero, in the device tree).
pub(super) fn line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('\0').trim().to_owned()
}

/// `3.14 …`: `/proc/uptime`, `/proc/loadavg`.
pub(super) fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// What stands behind `name:` at the start of a line.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The same, given in kB (which are KiB), as bytes.
pub(super) fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let number: u64 = field(text, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

/// Thousandths of a degree, as thermal zones give them. Sensors that aren't there say 0 K or the like.
pub(super) fn celsius(text: &str) -> Option<f64> {
    let thousandths: i32 = line(text).parse().ok()?;
    (-100_000..=250_000).contains(&thousandths).then(|| f64::from(thousandths) / 1_000.0)
}

/// A Raspberry Pi's `get_throttled`, hexadecimal. Bits 0 to 3: too low a voltage, frequency capped, throttled,
/// soft temperature limit; 16 to 19: the same since the start.
pub(super) fn throttled(text: &str) -> Option<Throttling> {
    let text = line(text);
    let bits = u32::from_str_radix(text.strip_prefix("0x").unwrap_or(&text), 16).ok()?;
    Some(Throttling {
        now: bits & 0xe != 0,
        under_voltage: Some(bits & 1 != 0),
        since_boot: Some(bits & 0xf_0000 != 0),
    })
}

/// An eMMC's `life_time`: two estimates in tenths of its life, each up to what it tells; 0 is none. The worse one counts.
pub(super) fn life_used_percent(text: &str) -> Option<u8> {
    let tenth = |word: &str| u8::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let worst = text.split_whitespace().filter_map(tenth).max().filter(|tenths| *tenths > 0)?;
    // 11 is beyond its end.
    Some(worst.min(11).saturating_mul(10).min(100))
}

/// An eMMC's `pre_eol_info`: 1 normal, 2 most of its spare blocks are used up, 3 nearly all.
pub(super) fn is_near_its_end(text: &str) -> bool {
    let text = line(text);
    u8::from_str_radix(text.trim_start_matches("0x"), 16).is_ok_and(|level| level >= 2)
}

/// Whether a cooling device is the processors' own speed, and not a fan.
pub(super) fn cools_processors(kind: &str) -> bool {
    let kind = line(kind);
    kind == "Processor" || kind.contains("cpufreq") || kind.contains("cpu-freq")
}
