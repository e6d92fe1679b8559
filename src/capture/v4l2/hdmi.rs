//! What is particular to HDMI inputs when they are opened: the source must be told what it may send.
//!
//! A bridge keeps its EDID in memory that is empty after every start. Writing it makes the source see its
//! display go and come back, so it is written only where it is another one: writing it at each opening
//! would take the signal away at each opening.

use super::edid::Edid;
use super::io::Io;
use crate::config::EdidChoice;
use std::path::Path;

/// Tells the source on the cable what it may send, and says each trouble with that once.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    choice: EdidChoice,
    /// What was written, and what the driver made of it: some put their own CEC address in.
    written: Option<(Edid, Vec<u8>)>,
    said: Option<String>,
}

impl Teller {
    pub fn new(choice: EdidChoice) -> Self {
        Self { choice, written: None, said: None }
    }

    pub fn tell<D: Io>(&mut self, device: &D, name: &str) {
        // A camera has none, and a capture card may keep its own to itself.
        let Ok(now) = device.edid() else { return };
        let (wanted, trouble) = match &self.choice {
            EdidChoice::Keep => return,
            EdidChoice::Own => (Edid::own(), None),
            EdidChoice::File(path) => match read(path) {
                Ok(edid) => (edid, None),
                Err(error) => {
                    (Edid::own(), Some(format!("EDID file {}: {error}; the box's own is used", path.display())))
                }
            },
        };
        let is_there = now == wanted.bytes()
            || self.written.as_ref().is_some_and(|(written, became)| *written == wanted && *became == now);
        let trouble = if is_there {
            trouble
        } else {
            match device.set_edid(wanted.bytes()) {
                Ok(()) => {
                    log::info!("{name}: told its source what it may send; the source starts anew");
                    self.written = device.edid().ok().map(|became| (wanted, became));
                    trouble
                }
                Err(error) => trouble.or(Some(format!("its EDID can't be written: {error}; the one it has is used"))),
            }
        };
        if trouble.is_some() && trouble != self.said {
            log::warn!("{name}: {}", trouble.as_deref().unwrap_or_default());
        }
        self.said = trouble;
    }
}

fn read(path: &Path) -> Result<Edid, String> {
    /// More than an EDID can have: what is longer is none.
    const MAX_LEN: u64 = 4_096;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_LEN), &mut bytes)
        .map_err(|error| error.to_string())?;
    Edid::parse(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Simulated;
    use super::*;

    fn written(device: &Simulated) -> usize {
        device.calls().iter().filter(|call| *call == "set edid").count()
    }

    #[test]
    fn the_edid_is_written_once_and_again_when_it_is_another() {
        let device = Simulated::hdmi(Err(libc::ENOLINK));
        let mut teller = Teller::new(EdidChoice::Own);
        for _ in 0..3 {
            teller.tell(&device, "/dev/video0");
        }
        assert_eq!((written(&device), device.edid().expect("an EDID")), (1, Edid::own().bytes().to_vec()));
        device.set_edid(&[]).expect("somebody else clears it");
        teller.tell(&device, "/dev/video0");
        assert_eq!(device.edid().expect("an EDID"), Edid::own().bytes());
        Teller::new(EdidChoice::Keep).tell(&device, "/dev/video0");
        assert_eq!(written(&device), 3);
    }

    #[test]
    fn a_driver_that_puts_its_address_into_the_edid_is_told_once() {
        let device = Simulated::hdmi(Err(libc::ENOLINK)).with_edid_address(0x20);
        let mut teller = Teller::new(EdidChoice::Own);
        for _ in 0..3 {
            teller.tell(&device, "/dev/video0");
        }
        assert_ne!(device.edid().expect("an EDID"), Edid::own().bytes());
        assert_eq!(written(&device), 1);
    }

    #[test]
    fn a_file_comes_first_and_a_broken_one_is_no_reason_for_no_picture() {
        let path = std::env::temp_dir().join(format!("capturebox-edid-{}", std::process::id()));
        let mut other = Edid::own().bytes().to_vec();
        // Another serial number, and the sum that goes with it.
        other[12] = 1;
        other[127] = other[127].wrapping_sub(1);
        std::fs::write(&path, &other).expect("written");
        let device = Simulated::hdmi(Err(libc::ENOLINK));
        let mut teller = Teller::new(EdidChoice::File(path.clone()));
        teller.tell(&device, "/dev/video0");
        assert_eq!(device.edid().expect("an EDID"), other);
        std::fs::write(&path, "00 ff ff").expect("written");
        teller.tell(&device, "/dev/video0");
        assert_eq!(device.edid().expect("an EDID"), Edid::own().bytes());
        assert!(teller.said.as_deref().is_some_and(|said| said.contains("it has 8 bytes")), "{:?}", teller.said);
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn what_has_no_edid_is_left_alone_and_a_refusal_is_no_failure() {
        let camera = Simulated::camera(b"YUYV").refusing("edid", libc::ENOTTY);
        let mut teller = Teller::new(EdidChoice::Own);
        teller.tell(&camera, "/dev/video0");
        assert_eq!((written(&camera), teller.said.as_deref()), (0, None));
        let stubborn = Simulated::hdmi(Err(libc::ENOLINK)).refusing("set edid", libc::EBUSY);
        teller.tell(&stubborn, "/dev/video0");
        assert!(teller.said.as_deref().is_some_and(|said| said.contains("can't be written")), "{:?}", teller.said);
    }
}
