//! Embeds the built pages: writes a table of `src/http/ui/dist` (made by `scripts/ui`) for
//! `src/http/assets.rs` to include.

use std::path::Path;
use std::{env, fs};

const UI: &str = "src/http/ui";
const NOT_BUILT: &str = "the pages are not built: run scripts/ui";
/// The console, the page of one stream, where a stream is sent from, and where people meet.
const PAGES: [&str; 4] = ["index.html", "viewer.html", "publish.html", "room.html"];
/// What stands in for each in a debug build without them.
const PLACEHOLDER: &str =
    "<!doctype html><title>capturebox</title><p>The page was not built: run <code>scripts/ui</code>, then build again.";

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let dist = Path::new(&root).join(UI).join("dist");
    println!("cargo::rerun-if-changed=build.rs");

    let mut names: Vec<String> = fs::read_dir(&dist)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.sort();
    let table: String = if PAGES.iter().all(|page| names.iter().any(|name| name == page)) {
        println!("cargo::rerun-if-changed={UI}/dist");
        // A `.gz` is the same file, compressed: it belongs to the entry beside it.
        names.iter().filter(|name| !name.ends_with(".gz")).map(|name| entry(&dist, name, &names)).collect()
    } else {
        // A missing `dist` can't be watched; its parent can.
        println!("cargo::rerun-if-changed={UI}");
        assert!(env::var("PROFILE").is_ok_and(|profile| profile == "debug"), "{NOT_BUILT}");
        println!("cargo::warning={NOT_BUILT}; the server shows a placeholder");
        PAGES.map(|page| format!("File {{ name: {page:?}, body: {PLACEHOLDER:?}.as_bytes(), gzip: None }},\n")).concat()
    };
    fs::write(Path::new(&out).join("assets_table.rs"), format!("&[\n{table}]")).expect("OUT_DIR can be written");
}

fn entry(dist: &Path, name: &str, names: &[String]) -> String {
    let include = |name: &str| format!("include_bytes!({:?})", dist.join(name));
    let gz = format!("{name}.gz");
    let gzip = if names.contains(&gz) { format!("Some({})", include(&gz)) } else { "None".to_owned() };
    format!("File {{ name: {name:?}, body: {}, gzip: {gzip} }},\n", include(name))
}
