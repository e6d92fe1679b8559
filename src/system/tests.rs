//! Boards as folders, and the machine that the tests run on.

use super::*;
use proptest::prelude::*;

/// A folder that looks like `/` to what is tested; gone with its holder.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("capturebox-system-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            fs::write(path, text).expect("written");
        }
        Self(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn board(root: &Root) -> Board {
    System::below(root.0.clone(), Vec::new()).status().board.clone()
}

#[test]
fn a_raspberry_pi() {
    let root = Root::new(
        "pi",
        &[
            ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
            ("proc/sys/kernel/hostname", "stage\n"),
            ("proc/uptime", "350735.47 234388.90\n"),
            ("proc/loadavg", "0.52 0.58 0.59 1/389 12345\n"),
            ("proc/meminfo", "MemTotal:        3884376 kB\nMemFree:  1 kB\nMemAvailable:    3260000 kB\n"),
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone0/temp", "48199\n"),
            ("sys/class/thermal/thermal_zone1/type", "asleep\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"),
            ("sys/block/mmcblk0/device/life_time", "0x02 0x01\n"),
            ("sys/block/mmcblk0/device/pre_eol_info", "0x01\n"),
            ("sys/block/mmcblk1/device/type", "SD\n"),
        ],
    );
    let board = board(&root);
    assert_eq!(board.model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
    assert_eq!((board.host_name.as_deref(), board.uptime_s), (Some("stage"), Some(350_735)));
    assert_eq!((board.load_1m, board.memory_total_bytes), (Some(0.52), Some(3_884_376 * 1024)));
    assert_eq!(board.memory_available_bytes, Some(3_260_000 * 1024));
    assert_eq!(board.temperatures, [Temperature { zone: "cpu-thermal".to_owned(), celsius: 48.199 }]);
    assert_eq!(board.wear, [Wear { device: "mmcblk0".to_owned(), used_percent: 20, near_its_end: false }]);
    let told = Throttling { now: true, under_voltage: Some(true), since_boot: Some(true) };
    assert_eq!(board.throttling, Some(told));
}

#[test]
fn another_board_tells_by_its_processors_speed() {
    let files = |state: &'static str| {
        [
            ("sys/class/thermal/cooling_device0/type", "pwm-fan\n"),
            ("sys/class/thermal/cooling_device0/cur_state", "3\n"),
            ("sys/class/thermal/cooling_device1/type", "cpufreq-cpu0\n"),
            ("sys/class/thermal/cooling_device1/cur_state", state),
        ]
    };
    for (name, state, now) in [("cool", "0\n", false), ("hot", "2\n", true)] {
        let told = board(&Root::new(name, &files(state))).throttling;
        assert_eq!(told, Some(Throttling { now, under_voltage: None, since_boot: None }));
    }
}

#[test]
fn a_supply_by_its_sensor() {
    let files = |alarm: &'static str| {
        [("sys/class/hwmon/hwmon1/name", "rpi_volt\n"), ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm)]
    };
    for (name, alarm, low) in [("weak", "1\n", true), ("strong", "0\n", false)] {
        let told = board(&Root::new(name, &files(alarm))).throttling;
        assert_eq!(told, Some(Throttling { now: false, under_voltage: Some(low), since_boot: None }));
    }
}

#[test]
fn cards_near_their_end() {
    for (text, percent) in
        [("0x01 0x01", Some(10)), ("0x0b 0x01", Some(100)), ("0x00 0x00", None), ("", None), ("zz", None)]
    {
        assert_eq!(kernel::life_used_percent(text), percent, "{text}");
    }
    assert_eq!(["0x01", "0x02", "0x03", "0x00", ""].map(kernel::is_near_its_end), [false, true, true, false, false]);
}

#[test]
fn a_board_that_tells_nothing_is_not_guessed_at() {
    assert_eq!(board(&Root::new("nothing", &[])), Board::default());
}

#[test]
fn this_process_and_its_disk() {
    let system = System::new(vec!["/".into(), "/there/is/no/such/folder".into()]);
    let status = system.status();
    let process = &status.process;
    assert!(process.resident_bytes.is_some_and(|bytes| (1 << 20..1 << 40).contains(&bytes)), "{process:?}");
    assert!(process.threads.is_some_and(|threads| threads >= 1), "{process:?}");
    assert!(process.open_files.is_some_and(|files| (3..1_000_000).contains(&files)), "{process:?}");
    assert!(process.cpu_s > 0.0, "{process:?}");
    let [storage] = &status.board.storage[..] else { panic!("{:?}", status.board.storage) };
    assert!(storage.total_bytes > 0 && storage.available_bytes <= storage.total_bytes, "{storage:?}");
    assert!(Arc::ptr_eq(&status, &system.status()), "read once a second");
}

#[test]
fn numbers_that_are_none_are_none() {
    for text in ["", "-", "nan", "inf", "-1 2", "kB"] {
        assert_eq!(kernel::first_number(text), None, "{text}");
    }
    for text in ["", "x", "-273150", "2147483647", "99999999999"] {
        assert_eq!(kernel::celsius(text), None, "{text}");
    }
    assert_eq!(kernel::kilobytes("VmRSS: 18446744073709551615 kB", "VmRSS"), None);
    assert_eq!(kernel::kilobytes("VmRSSX: 1 kB", "VmRSS"), None);
    assert_eq!(
        kernel::throttled("0x0\n"),
        Some(Throttling { now: false, under_voltage: Some(false), since_boot: Some(false) })
    );
    assert_eq!(kernel::throttled("zz"), None);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}") {
        let _ = (kernel::line(&text), kernel::first_number(&text), kernel::celsius(&text), kernel::throttled(&text));
        let _ = (kernel::kilobytes(&text, "a"), kernel::cools_processors(&text));
    }
}
