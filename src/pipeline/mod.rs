//! One stream's way from its sources into the stream: capture → pace → encode → publish, with the
//! slate and silence that stand in when a source is away. Threads live here; clocks and encoders don't.
