//! Somebody who publishes a film into a stream by WHIP, in real time.

use crate::Result;
use crate::caller::{Caller, LOOPBACK, Means};
use crate::client::{Client, Target, post};
use crate::film::{Film, Out};
use crate::report::Report;
use rtc::interceptor::{NackResponderBuilder, Registry, SenderReportBuilder, Slot};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use std::path::Path;
use std::time::{Duration, Instant};

pub async fn run(url: &str, seconds: u64, film: &Path) -> Result<Report> {
    let (target, film) = (Target::parse(url)?, Film::open(film)?);
    let registry = Registry::new()
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Slot::SenderReport, SenderReportBuilder::new().build());
    let mut caller = Caller::new(&Means::new()?, LOOPBACK, true, registry)?;
    let mut picture = Out::new(&mut caller, RtpCodecKind::Video, 1_001)?;
    let mut client = Client::connect(target.address).await?;
    let answer = client.ask(&post(&target, &target.path, "application/sdp", &caller.offer()?), true).await?;
    let body = String::from_utf8(client.body().to_vec())?;
    if answer.status != 201 {
        return Err(format!("{}: {} {body}", target.path, answer.status).into());
    }
    caller.take_answer(body)?;
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds);
    let mut count = 0;
    while Instant::now() < end {
        let (offset, packets) = film.picture(count);
        let now = Instant::now();
        if began + offset <= now {
            picture.send_picture(&mut caller, packets, offset, now)?;
            count += 1;
        } else {
            caller.turn(began + offset).await?;
        }
    }
    caller.hang_up()?;
    let mut report = Report::new();
    report.add("pictures", count);
    Ok(report)
}
