//! A live stream: one publisher, any number of readers, a bounded history between them.
//!
//! Not here: what the access units mean, who may read them.
