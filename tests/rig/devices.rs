//! What can be plugged into a board: drivers that simulate it, and how to do things to them.

use crate::board::Board;
use crate::ffmpeg::Picture;

/// `vivid`: a webcam that shows colour bars.
pub struct Camera<'a> {
    board: &'a Board,
    pub node: String,
}

/// What a camera does wrong, by the names of `vivid`'s controls.
pub mod fault {
    pub const DISCONNECT: &str = "disconnect=1";
    pub const BAD_BUFFER: &str = "inject_v4l2_buf_flag_error=1";
    pub const QUEUEING_FAILS: &str = "inject_vidioc_qbuf_error=1";
    pub const STREAM_BREAKS: &str = "inject_fatal_streaming_error=1";
}

impl<'a> Camera<'a> {
    pub fn plug_in(board: &'a Board) -> Self {
        // One capture node (0x1) with one input, a webcam (0).
        board.run("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
        let camera = Self { board, node: node(board, "vivid-000-vid-cap") };
        camera.hide_text();
        camera
    }

    /// Everything goes on as before but that the camera is gone, as the kernel does it for USB.
    pub fn unplug(&self) {
        self.board.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind");
    }

    pub fn plug_in_again(&self) {
        self.board.run("echo vivid.0 >/sys/bus/platform/drivers/vivid/bind");
        assert_eq!(self.node, node(self.board, "vivid-000-vid-cap"), "somebody holds the old node");
        self.hide_text();
    }

    pub fn set(&self, control: &str) {
        self.board.run(&format!("v4l2-ctl -d {} -c {control}", self.node));
    }

    fn hide_text(&self) {
        self.set("osd_text_mode=2");
    }
}

/// `v4l2loopback`: a camera that shows what is written into it.
pub struct Loopback<'a> {
    board: &'a Board,
    pub node: String,
}

/// A program that feeds a [`Loopback`].
pub struct Writer(u32);

impl<'a> Loopback<'a> {
    pub fn plug_in(board: &'a Board) -> Self {
        // Buffers enough that none is written while it is read: nothing else keeps that from happening.
        board.run("modprobe v4l2loopback devices=1 max_buffers=8 card_label=loopback");
        Self { board, node: node(board, "loopback") }
    }

    /// Writes the files in turn, over and over, `pause_s` apart.
    pub fn feed(&self, fourcc: &str, files: &str, pause_s: f32) -> Writer {
        let node = &self.node;
        // It keeps its format while somebody has it open. One that is watched has another's.
        let set = format!("v4l2-ctl -d {node} --set-fmt-video-out=width=320,height=180,pixelformat={fourcc}");
        // One write is one picture.
        let write = format!("for file in {files}; do dd if=$file bs=1M count=1 >&4; sleep {pause_s}; done");
        let feeding = format!("exec 4>{node}; {set}; while :; do {write}; done");
        Writer(self.board.spawn(&feeding, "/tmp/writer"))
    }

    pub fn stop(&self, writer: Writer) {
        self.board.run(&format!("kill {}", writer.0));
    }
}

/// `snd-aloop`: a microphone that hears what is played into the card's other half.
pub struct Microphone<'a> {
    board: &'a Board,
}

impl<'a> Microphone<'a> {
    pub const NAME: &'static str = "hw:Loopback,1,0";

    pub fn plug_in(board: &'a Board) -> Self {
        board.run("modprobe snd-aloop");
        Self { board }
    }

    /// As the kernel does it for USB. Returns when nobody holds it any more.
    pub fn unplug(&self) {
        self.board.run("echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/unbind");
    }

    pub fn plug_in_again(&self) {
        self.board.run("echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/bind");
    }

    /// Plays 440 Hz at an eighth of full scale until the card goes away.
    pub fn play_tone(&self) {
        // 11 waves in 1,200 frames, so that they can be repeated without a click.
        let wave = |frame: u32| (f64::from(frame) * 440.0 / 48_000.0 * std::f64::consts::TAU).sin() * 4_096.0;
        let frames = (0..1_200).map(|frame| wave(frame) as i16);
        let bytes: Vec<u8> = frames.flat_map(|sample| [sample, sample]).flat_map(i16::to_le_bytes).collect();
        self.board.write("/tmp/tone", &bytes.repeat(8));
        let play = "aplay -D hw:Loopback,0,0 -t raw -f S16_LE -c 2 -r 48000";
        self.board.spawn(&format!("while cat /tmp/tone; do :; done | {play}"), "/tmp/player");
    }

    /// Has another program capture from it; returns that program's process id.
    pub fn occupy(&self) -> u32 {
        let user =
            self.board.spawn(&format!("exec arecord -D {} -f S16_LE -c 2 -r 48000 /dev/null", Self::NAME), "/tmp/user");
        self.board.wait_until("a user of the microphone", || {
            self.board.attempt("grep -q RUNNING /proc/asound/Loopback/pcm1c/sub0/status").0 == 0
        });
        user
    }
}

/// `vivid`: an HDMI input that shows colour bars, at first 640x480.
pub struct HdmiInput {
    pub node: String,
}

impl HdmiInput {
    pub fn plug_in(board: &Board) -> Self {
        // One capture node (0x1) with one input, HDMI (3).
        board.run("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=3");
        let node = node(board, "vivid-000-vid-cap");
        let input = Self { node };
        board.run(&format!("v4l2-ctl -d {} -c osd_text_mode=2", input.node));
        input.choose(board, "dv_timings", "640x480p59");
        input.signal(board, "Selected DV Timings");
        input
    }

    /// What is on the cable, by the driver's words: "No Signal", "No Lock", "Out of Range", "Selected DV Timings".
    pub fn signal(&self, board: &Board, mode: &str) {
        let mode = if mode == "Current DV Timings" { "Selected DV Timings" } else { mode };
        self.choose(board, "dv_timings_signal_mode", mode);
    }

    /// A progressive signal of so many lines, 60 times a second.
    pub fn timings(&self, board: &Board, height: u32) {
        let width = height * 16 / 9;
        self.choose(board, "dv_timings", &format!("{width}x{height}p60"));
    }

    /// Sets a menu to the entry that begins so.
    fn choose(&self, board: &Board, menu: &str, entry: &str) {
        let listed = board.run(&format!("v4l2-ctl -d {} --list-ctrls-menus", self.node));
        let of_menu = listed.lines().skip_while(|line| line.split_whitespace().next() != Some(menu)).skip(1);
        let entries = of_menu.map_while(|line| line.trim().split_once(": "));
        let found = entries.into_iter().find(|(_, name)| name.starts_with(entry));
        let (index, _) = found.unwrap_or_else(|| panic!("{menu} has no {entry}:\n{listed}"));
        board.run(&format!("v4l2-ctl -d {} -c {menu}={index}", self.node));
    }

    pub fn edid(&self, board: &Board) -> Vec<u8> {
        let (code, said) = board
            .attempt(&format!("v4l2-ctl -d {} --get-edid=pad=0,format=raw | hexdump -v -e '1/1 \"%02x\"'", self.node));
        let digits = if code == 0 { said } else { String::new() };
        let digits = digits.trim().as_bytes().as_chunks::<2>().0.iter();
        digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    }

    /// Another program's; nothing clears it.
    pub fn write_edid(&self, board: &Board, edid: &[u8]) {
        if edid.is_empty() {
            board.run(&format!("v4l2-ctl -d {} --clear-edid=0", self.node));
        } else {
            board.write("/tmp/theirs", edid);
            board.run(&format!("v4l2-ctl -d {} --set-edid=pad=0,file=/tmp/theirs,format=raw", self.node));
        }
    }
}

/// `gpio-sim`: a chip of eight lines, whose other ends are files.
pub struct Gpio<'a> {
    board: &'a Board,
    chip: String,
    /// The folder of the lines' other ends.
    ends: String,
}

impl<'a> Gpio<'a> {
    pub const LABEL: &'static str = "front-panel";

    pub fn plug_in(board: &'a Board) -> Self {
        board.run("modprobe gpio-sim-mod && mount -t configfs none /sys/kernel/config");
        let folder = "/sys/kernel/config/gpio-sim/panel";
        board.run(&format!(
            "mkdir {folder} {folder}/bank && echo 8 >{folder}/bank/num_lines && \
             echo {} >{folder}/bank/label && echo 1 >{folder}/live",
            Self::LABEL
        ));
        let read = |file: &str| board.run(&format!("cat {folder}/{file}")).trim().to_owned();
        let chip = read("bank/chip_name");
        let ends = format!("/sys/devices/platform/{}/{chip}", read("dev_name"));
        Self { board, chip, ends }
    }

    /// Closes a contact to ground for some seconds; it bounces, both times.
    pub fn press(&self, line: u32, seconds: &str) {
        self.board.run(&self.pressing(line, seconds));
    }

    pub fn press_twice(&self, line: u32, seconds: &str) {
        self.board.run(&format!("{0}; sleep {seconds}; {0}", self.pressing(line, seconds)));
    }

    fn pressing(&self, line: u32, seconds: &str) -> String {
        let pull = format!("{}/sim_gpio{line}/pull", self.ends);
        let change =
            |to: &str, back: &str| format!("for pull in {to} {back} {to} {back} {to}; do echo $pull >{pull}; done");
        let (down, up) = ("pull-down", "pull-up");
        format!("{}; sleep {seconds}; {}", change(down, up), change(up, down))
    }

    pub fn is_lit(&self, line: u32) -> bool {
        self.board.run(&format!("cat {}/sim_gpio{line}/value", self.ends)).trim() == "1"
    }

    /// Has another program hold a line; returns that program's process id.
    pub fn occupy(&self, line: u32) -> u32 {
        let user = self.board.spawn(&format!("exec gpioset --mode=signal {} {line}=1", self.chip), "/tmp/user");
        self.wait_for_owner(line, "gpioset");
        user
    }

    pub fn wait_for_owner(&self, line: u32, owner: &str) {
        self.board.wait_until(&format!("{owner} to hold line {line}"), || {
            let lines = self.board.run(&format!("gpioinfo {}", self.chip));
            lines.lines().any(|told| told.contains(&format!("line {line:>3}:")) && told.contains(owner))
        });
    }
}

/// `vicodec`: an encoder with a board's API; it makes FWHT, not H.264, and has no bitrate.
pub struct Encoder<'a> {
    board: &'a Board,
    pub node: String,
}

impl<'a> Encoder<'a> {
    pub fn plug_in(board: &'a Board) -> Self {
        board.run("modprobe vicodec multiplanar=1");
        Self { board, node: node(board, "stateful-encoder") }
    }

    pub fn unplug(&self) {
        self.board.run("echo vicodec.0 >/sys/bus/platform/drivers/vicodec/unbind");
    }

    /// Decodes a file that the encoder made into pictures of a format; returns their file.
    pub fn decode(&self, file: &str, fourcc: &str) -> String {
        let decoder = node(self.board, "stateful-decoder");
        let (from, to) = (format!("--stream-out-mmap --stream-from={file}"), format!("{file}.decoded"));
        let formats =
            format!("--set-fmt-video-out=width=640,height=480,pixelformat=FWHT --set-fmt-video=pixelformat={fourcc}");
        self.board.run(&format!("v4l2-ctl -d {decoder} {formats} {from} --stream-mmap --stream-to={to}"));
        to
    }
}

/// The node of the video device that its driver calls so.
pub fn node(board: &Board, name: &str) -> String {
    let find = format!("grep -lx {name} /sys/class/video4linux/*/name");
    let mut path = String::new();
    board.wait_until(&format!("a video device called {name}"), || {
        let (code, said) = board.attempt(&find);
        path = said;
        code == 0
    });
    let device = path.trim().split('/').nth_back(1).expect("…/videoN/name");
    format!("/dev/{device}")
}

/// Whether a picture has the colour bars of `vivid`: each is darker than the one before.
pub fn shows_bars(picture: &Picture) -> bool {
    let bars = (0..8).map(|bar| picture.colour_at((f64::from(bar) + 0.5) / 8.0, 0.8)[0]);
    let lumas: Vec<f64> = bars.collect();
    lumas.windows(2).all(|pair| pair[0] > pair[1] + 5.0)
}
