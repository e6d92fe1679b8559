//! One thing, over and over.

use crate::Result;
use crate::client::{Client, Target, request};
use crate::report::{Report, Stopwatch};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;
use tokio::task::JoinSet;

#[derive(Default)]
struct Totals {
    left: u64,
    done: u64,
    bytes: u64,
    errors: u64,
    times_ms: Vec<f32>,
}

pub async fn run(url: &str, connections: u32, requests: u64, gzip: bool) -> Result<Report> {
    let target = Target::parse(url)?;
    let request = Rc::new(request(&target, &target.path, gzip));
    let totals = Rc::new(RefCell::new(Totals { left: requests, ..Totals::default() }));
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(target.address).await?);
    }
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn_local(ask(client, Rc::clone(&request), Rc::clone(&totals)));
    }
    while tasks.join_next().await.is_some() {}
    let totals = totals.take();
    let mut report = Report::new();
    report.add("requests", totals.done);
    report.add("errors", totals.errors);
    report.add("bytes", totals.bytes);
    report.add("requests_per_s", (totals.done as f64 / watch.elapsed().as_secs_f64()).round());
    report.add_percentiles("answer_ms", totals.times_ms);
    report.add_times(&watch);
    Ok(report)
}

async fn ask(mut client: Client, request: Rc<Vec<u8>>, totals: Rc<RefCell<Totals>>) {
    loop {
        {
            let mut totals = totals.borrow_mut();
            if totals.left == 0 {
                return;
            }
            totals.left -= 1;
        }
        let start = Instant::now();
        let answer = client.ask(&request, false).await;
        let mut totals = totals.borrow_mut();
        match answer {
            Ok(answer) if answer.status == 200 => {
                totals.done += 1;
                totals.bytes += answer.len as u64;
                totals.times_ms.push(start.elapsed().as_secs_f32() * 1_000.0);
            }
            Ok(_) => totals.errors += 1,
            Err(_) => {
                totals.errors += 1;
                return;
            }
        }
    }
}
