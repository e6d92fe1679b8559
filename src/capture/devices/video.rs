//! Video nodes: which there are, and what each is.

use super::{Devices, HardwareEncoder, Mode, Unreadable, VideoInput};
use crate::capture::v4l2::classify::{NodeFacts, Role, classify};
use crate::capture::v4l2::errors::{explain, no_signal};
use crate::capture::v4l2::format::{FourCc, name};
use crate::capture::v4l2::io::Io;
use crate::capture::v4l2::negotiate::{Offer, USUAL_SIZE};
use crate::capture::v4l2::sys::Device;
use std::fs;
use std::path::{Path, PathBuf};

/// More nodes than a board with every driver loaded has.
const MAX_NODES: usize = 256;
/// Where udev puts names that stay, the better first.
const STABLE: [&str; 2] = ["/dev/v4l/by-id", "/dev/v4l/by-path"];

/// `/dev/video0`, `/dev/video1`, … in order of their numbers.
fn nodes() -> Vec<PathBuf> {
    let mut numbers: Vec<u32> =
        names_in("/dev").iter().filter_map(|name| name.strip_prefix("video")?.parse().ok()).take(MAX_NODES).collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| PathBuf::from(format!("/dev/video{number}"))).collect()
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn stable_path(node: &Path) -> Option<PathBuf> {
    STABLE.iter().find_map(|folder| {
        let mut links: Vec<PathBuf> = names_in(folder).iter().map(|name| Path::new(folder).join(name)).collect();
        links.sort_unstable();
        links.into_iter().find(|link| fs::canonicalize(link).is_ok_and(|target| target == node))
    })
}

/// Fills in all but the microphones.
pub(super) fn list(devices: &mut Devices) {
    for path in nodes() {
        let described = Device::open(&path).and_then(|device| Ok((device.facts()?, device)));
        match described {
            Ok((facts, device)) => describe(devices, &path, stable_path(&path), &facts, &device),
            Err(error) => {
                let reason = explain(&path.display().to_string(), "opening", error).to_string();
                devices.unreadable.push(Unreadable { path, reason });
            }
        }
    }
}

pub(super) fn first() -> Option<PathBuf> {
    let nodes: Vec<(PathBuf, Role)> = nodes()
        .into_iter()
        .filter_map(|path| {
            let facts = Device::open(&path).and_then(|device| device.facts()).ok()?;
            Some((path, classify(&facts)))
        })
        .collect();
    let path = choose(&nodes)?;
    Some(stable_path(&path).unwrap_or(path))
}

/// The first camera, else the first HDMI input.
fn choose(nodes: &[(PathBuf, Role)]) -> Option<PathBuf> {
    let first = |wanted: Role| nodes.iter().find(|(_, role)| *role == wanted).map(|(path, _)| path.clone());
    first(Role::Camera).or_else(|| first(Role::HdmiInput))
}

fn describe(devices: &mut Devices, path: &Path, stable_path: Option<PathBuf>, facts: &NodeFacts, device: &impl Io) {
    let input = |signal: Option<String>| VideoInput {
        name: facts.card.clone(),
        path: path.to_owned(),
        stable_path: stable_path.clone(),
        driver: facts.driver.clone(),
        modes: modes(&device.offers(USUAL_SIZE)),
        signal,
    };
    match classify(facts) {
        Role::Camera => devices.cameras.push(input(None)),
        Role::HdmiInput => devices.hdmi_inputs.push(input(signal(device))),
        Role::Encoder => devices.encoders.push(HardwareEncoder {
            name: facts.card.clone(),
            path: path.to_owned(),
            makes: facts.capture_formats.iter().map(FourCc::to_string).collect(),
            takes: facts.output_formats.iter().map(FourCc::to_string).collect(),
        }),
        Role::Decoder | Role::Converter | Role::RawSensor | Role::NotVideo | Role::Unusable => {}
    }
}

fn signal(device: &impl Io) -> Option<String> {
    match device.signal() {
        Ok(signal) => {
            let rate = signal.frame_rate().map_or_else(String::new, |rate| format!(" at {rate}"));
            let scan = if signal.interlaced { " interlaced" } else { "" };
            Some(format!("{}x{}{rate}{scan}", signal.size.width, signal.size.height))
        }
        Err(error) => no_signal(&error).map(str::to_owned),
    }
}

fn modes(offers: &[Offer]) -> Vec<Mode> {
    let usable = offers.iter().filter_map(|offer| Some((offer, offer.fourcc.camera_format()?)));
    usable
        .map(|(offer, format)| Mode {
            format: name(format).to_owned(),
            size: offer.sizes.to_string(),
            rates: offer.rates.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::v4l2::classify::caps;
    use crate::capture::v4l2::io::Signal;
    use crate::capture::v4l2::simulated::Simulated;
    use crate::config::Size;

    fn described(device: &Simulated) -> Devices {
        let mut devices = Devices::default();
        let facts = device.facts().expect("facts");
        describe(&mut devices, Path::new("/dev/video2"), Some("/dev/v4l/by-id/usb-2".into()), &facts, device);
        devices
    }

    #[test]
    fn each_device_is_listed_as_what_it_is() {
        let mode = |format: &str| Mode { format: format.to_owned(), size: "64x48".to_owned(), rates: "30".to_owned() };
        let camera = described(&Simulated::camera(b"MJPG"));
        assert_eq!(camera.cameras.len(), 1);
        assert_eq!(camera.cameras[0].modes, [mode("mjpeg")]);
        assert_eq!(camera.cameras[0].stable_path, Some("/dev/v4l/by-id/usb-2".into()));

        let size = Size { width: 1280, height: 720 };
        let signal = Signal { size, interlaced: false, pixel_clock: 74_250_000, total_pixels: 1650 * 750 };
        let hdmi = described(&Simulated::hdmi(Ok(signal)));
        assert_eq!((hdmi.cameras.len(), hdmi.hdmi_inputs.len()), (0, 1));
        assert_eq!(hdmi.hdmi_inputs[0].signal.as_deref(), Some("1280x720 at 60"));
        let dark = described(&Simulated::hdmi(Err(libc::ENOLINK)));
        assert_eq!(dark.hdmi_inputs[0].signal.as_deref(), Some("no cable, or the other end is off"));

        let mut encoder = Simulated::camera(b"H264");
        encoder.facts.card = "bcm2835-codec-encode".to_owned();
        encoder.facts.caps = caps::VIDEO_M2M_MPLANE | caps::STREAMING;
        encoder.facts.output_formats = vec![FourCc(*b"YU12"), FourCc(*b"NV12")];
        let encoder = described(&encoder);
        assert!(encoder.cameras.is_empty());
        assert_eq!(
            (&encoder.encoders[0].makes[..], &encoder.encoders[0].takes[..]),
            (&["H264".to_owned()][..], &["YU12".to_owned(), "NV12".to_owned()][..])
        );
    }

    #[test]
    fn a_camera_is_taken_before_an_hdmi_input_and_nothing_else_ever() {
        let node = |number: u32, role| (PathBuf::from(format!("/dev/video{number}")), role);
        let never = [Role::Encoder, Role::Decoder, Role::Converter, Role::RawSensor, Role::NotVideo, Role::Unusable];
        let mut nodes: Vec<_> = never.into_iter().zip(0..).map(|(role, number)| node(number, role)).collect();
        assert_eq!(choose(&nodes), None);
        nodes.push(node(10, Role::HdmiInput));
        assert_eq!(choose(&nodes), Some("/dev/video10".into()));
        nodes.extend([node(11, Role::Camera), node(12, Role::Camera)]);
        assert_eq!(choose(&nodes), Some("/dev/video11".into()));
    }
}
