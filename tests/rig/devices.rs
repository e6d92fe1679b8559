//! What can be plugged into a board: drivers that simulate it, and how to do things to them.

use crate::board::Board;
use crate::ffmpeg::Picture;

/// `vivid`: a webcam that shows colour bars.
pub struct Camera {
    pub node: String,
}

impl Camera {
    pub fn plug_in(board: &Board) -> Self {
        // One capture node (0x1) with one input, a webcam (0).
        board.run("modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0");
        let node = node(board, "vivid-000-vid-cap");
        // No text over the picture.
        board.run(&format!("v4l2-ctl -d {node} -c osd_text_mode=2"));
        Self { node }
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
