//! `cost`: SHOW COST for scripts.

use super::clock;
use super::settings::Settings;
use super::show::{size, table};
use crate::archive::Archive;
use crate::error::Result;
use crate::upkeep::{self, Tally};
use std::process::ExitCode;
use std::time::Duration;

pub async fn cost(archive: &Archive, settings: &Settings) -> Result<ExitCode> {
    let mut cost = upkeep::cost(archive, settings.prices.clone().into(), clock().as_ref(), Duration::ZERO).await?;
    let headings = ["cluster", "kind", "objects", "size", "written in 24 h", "requests in 24 h", "storage", "requests"];
    let line = |cluster: &str, kind: &str, t: &Tally| {
        let money = |amount: f64| format!("{amount:.2} {}", cost.prices.currency);
        vec![
            cluster.to_string(),
            kind.to_string(),
            t.objects.to_string(),
            size(t.bytes),
            size(t.new_bytes),
            t.new_requests.to_string(),
            money(cost.storage(t)),
            cost.writing(t).map(money).unwrap_or_default(),
        ]
    };
    let mut lines: Vec<_> =
        cost.clusters.iter().flat_map(|c| c.kinds.iter().map(|(kind, tally)| line(&c.cluster, kind, tally))).collect();
    lines.push(line("", "all", &cost.total()));
    table(&headings.map(String::from), &[false, false, true, true, true, true, true, true], &lines);
    println!("storage: a month of what is there now; requests: a month of writing as in the last 24 hours.");
    match cost.asked.take() {
        None => println!("A local directory asks nothing for requests."),
        Some(_) => println!("Reading costs as well: SHOW COST on the port tells what serve has asked so far."),
    }
    Ok(ExitCode::SUCCESS)
}
