//! The list of devices for people.

use super::{Devices, HardwareEncoder, Microphone, SoundRange, VideoInput};
use std::fmt;

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        section(f, "Cameras", &self.cameras, "none")?;
        section(f, "HDMI inputs", &self.hdmi_inputs, "none")?;
        section(f, "Microphones", &self.microphones, "none")?;
        section(f, "Hardware encoders", &self.encoders, "none: OpenH264 encodes in software")?;
        if !self.unreadable.is_empty() {
            writeln!(f, "Not readable")?;
        }
        for node in &self.unreadable {
            writeln!(f, "  {}", node.reason)?;
        }
        Ok(())
    }
}

fn section<T: fmt::Display>(f: &mut fmt::Formatter<'_>, title: &str, items: &[T], none: &str) -> fmt::Result {
    writeln!(f, "{title}")?;
    if items.is_empty() {
        writeln!(f, "  {none}")?;
    }
    for item in items {
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Display for VideoInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.name)?;
        match &self.stable_path {
            Some(stable) => line(f, "device", &format!("{} (now {})", stable.display(), self.path.display()))?,
            None => line(f, "device", &self.path.display().to_string())?,
        }
        line(f, "driver", &self.driver)?;
        if let Some(signal) = &self.signal {
            line(f, "signal", signal)?;
        }
        for modes in self.modes.chunk_by(|a, b| a.format == b.format) {
            let sizes = modes.iter().map(|mode| match mode.rates.as_str() {
                "" => mode.size.clone(),
                rates => format!("{} at {rates}", mode.size),
            });
            let sizes: Vec<String> = sizes.collect();
            line(f, modes.first().map_or("", |mode| &mode.format), &sizes.join("; "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Microphone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.name)?;
        line(f, "device", &self.device)?;
        match &self.can {
            Some(SoundRange { min_rate_hz, max_rate_hz, min_channels, max_channels }) => {
                line(f, "rate", &format!("{} Hz", span(min_rate_hz, max_rate_hz)))?;
                line(f, "channels", &span(min_channels, max_channels))
            }
            None => line(f, "rate", "not known: in use by another program"),
        }
    }
}

impl fmt::Display for HardwareEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.name)?;
        line(f, "device", &self.path.display().to_string())?;
        line(f, "makes", &self.makes.join(", "))?;
        line(f, "takes", &self.takes.join(", "))
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, value: &str) -> fmt::Result {
    writeln!(f, "    {what:<9}{value}")
}

fn span(min: &u32, max: &u32) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}

#[cfg(test)]
mod tests {
    use super::super::{Mode, Unreadable};
    use super::*;

    #[test]
    fn a_full_house() {
        let mode = |format: &str, size: &str, rates: &str| Mode {
            format: format.to_owned(),
            size: size.to_owned(),
            rates: rates.to_owned(),
        };
        let camera = VideoInput {
            name: "HD Pro Webcam C920".to_owned(),
            path: "/dev/video0".into(),
            stable_path: Some("/dev/v4l/by-id/usb-C920".into()),
            driver: "uvcvideo".to_owned(),
            modes: vec![
                mode("yuyv", "640x480", "30, 15"),
                mode("yuyv", "1280x720", "10"),
                mode("mjpeg", "1280x720", "30"),
            ],
            signal: None,
        };
        let hdmi = VideoInput {
            name: "unicam".to_owned(),
            path: "/dev/video1".into(),
            stable_path: None,
            driver: "unicam".to_owned(),
            modes: vec![mode("uyvy", "16x16 to 1920x1080", "")],
            signal: Some("1920x1080 at 30".to_owned()),
        };
        let can = SoundRange { min_rate_hz: 16_000, max_rate_hz: 48_000, min_channels: 2, max_channels: 2 };
        let microphone =
            |can| Microphone { name: "C920, USB Audio".to_owned(), device: "plughw:CARD=C920,DEV=0".to_owned(), can };
        let encoder = HardwareEncoder {
            name: "bcm2835-codec-encode".to_owned(),
            path: "/dev/video11".into(),
            makes: vec!["H264".to_owned()],
            takes: vec!["YU12".to_owned(), "NV12".to_owned()],
        };
        let devices = Devices {
            cameras: vec![camera],
            hdmi_inputs: vec![hdmi],
            microphones: vec![microphone(Some(can)), microphone(None)],
            encoders: vec![encoder],
            unreadable: vec![Unreadable { path: "/dev/video5".into(), reason: "no permission".to_owned() }],
        };
        assert_eq!(
            devices.to_string(),
            "Cameras
  HD Pro Webcam C920
    device   /dev/v4l/by-id/usb-C920 (now /dev/video0)
    driver   uvcvideo
    yuyv     640x480 at 30, 15; 1280x720 at 10
    mjpeg    1280x720 at 30
HDMI inputs
  unicam
    device   /dev/video1
    driver   unicam
    signal   1920x1080 at 30
    uyvy     16x16 to 1920x1080
Microphones
  C920, USB Audio
    device   plughw:CARD=C920,DEV=0
    rate     16000 to 48000 Hz
    channels 2
  C920, USB Audio
    device   plughw:CARD=C920,DEV=0
    rate     not known: in use by another program
Hardware encoders
  bcm2835-codec-encode
    device   /dev/video11
    makes    H264
    takes    YU12, NV12
Not readable
  no permission
"
        );
    }

    #[test]
    fn an_empty_one() {
        assert_eq!(
            Devices::default().to_string(),
            "Cameras\n  none\nHDMI inputs\n  none\nMicrophones\n  none\n\
             Hardware encoders\n  none: OpenH264 encodes in software\n"
        );
    }
}
