//! Arguments → configuration → app.

fn main() {}
