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

/// Whether a cooling device is the processors' own speed, and not a fan.
pub(super) fn cools_processors(kind: &str) -> bool {
    let kind = line(kind);
    kind == "Processor" || kind.contains("cpufreq") || kind.contains("cpu-freq")
}
