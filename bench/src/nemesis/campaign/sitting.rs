//! One sitting of a campaign: it goes on with what its folder lacks.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;

use super::{
    publish::publish,
    summary::Summary,
    tries::{Tried, Try, file_of, name_of, read_tries},
};
use crate::nemesis::{
    kept::{clear, save, told},
    outcome::Verdict,
    play::{Order, logs_of, run},
    scenario::Scenario,
    world::Means,
};

/// So many runs in a row that could not even be done end a sitting.
const FAILED_IN_ROW_MAX: usize = 3;
const HISTORY: &str = "history.gz";

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Where everything is kept.
    pub folder: PathBuf,
    /// The document, written after each run from all that the folder holds; raw results go beside it, into a folder of its name
    /// without the extension, which it must have.
    pub out: PathBuf,
    /// Runs that are to count.
    pub wanted: usize,
    /// Tries of this sitting, at most.
    pub tries_max: usize,
    /// Runs that go on at the same time, at most; at least 1.
    pub at_once: usize,
    /// Whether the binary has the places at which processes can be made to die.
    pub failpoints: bool,
    /// What each run is like. Its scenario, seed and history are the campaign's; the seed is that of the first run.
    pub order: Order,
}

impl Campaign {
    /// Goes on until enough runs count, the sitting is over or a stop comes. `note` hears of every try.
    ///
    /// # Errors
    /// If the folder cannot be used, or nothing can be done at all.
    pub async fn go_on(
        &self,
        means: &Means,
        stop: &CancellationToken,
        mut note: impl FnMut(&str),
    ) -> anyhow::Result<Summary> {
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let mut sitting = Sitting::begin(self)?;
        let mut under_way = FuturesUnordered::new();
        loop {
            while !stop.is_cancelled() && sitting.wants_another(under_way.len()) {
                under_way.push(self.attempt(sitting.take_number(), means, stop));
            }
            let Some(tried) = under_way.next().await else { break };
            if let Some(tried) = tried? {
                sitting.add(&tried)?;
                note(&sitting.told(&tried));
            }
        }
        sitting.end()
    }

    /// None if it was interrupted: it is done again in the next sitting.
    async fn attempt(&self, number: usize, means: &Means, stop: &CancellationToken) -> anyhow::Result<Option<Tried>> {
        let order = self.order_of(number);
        // What a sitting that was killed has left.
        clear(&order.history)?;
        let done = Box::pin(run(&order, means, stop)).await;
        if stop.is_cancelled() {
            clear(&order.history)?;
            return Ok(None);
        }
        let (name, scenario, seed) = (name_of(number, &order), order.scenario.name.to_owned(), order.seed);
        let why = |error: &anyhow::Error| told(error, &[&self.folder, &means.folder]);
        let done = done.map_or_else(|error| Try::Failed { scenario, seed, why: why(&error) }, Try::Done);
        if matches!(&done, Try::Done(outcome) if outcome.verdict() == Verdict::Clean) {
            // Nobody needs them.
            fs::remove_dir_all(logs_of(&order.history))?;
        }
        save(&self.folder.join(file_of(&name)), &done)?;
        Ok(Some(Tried { number, name, done }))
    }

    /// The scenarios take turns; the seed goes on.
    fn order_of(&self, number: usize) -> Order {
        let subject = self.order.subject;
        let can = |scenario: &&Scenario| scenario.fits(subject) && (self.failpoints || !scenario.needs_failpoints());
        let fitting: Vec<_> = Scenario::all().iter().filter(can).collect();
        let mut order = self.order.clone();
        order.scenario = fitting[number % fitting.len()];
        order.seed += number as u64;
        order.history = self.folder.join(format!("{}.{HISTORY}", name_of(number, &order)));
        order
    }
}

/// What there is by now.
struct Sitting<'a> {
    campaign: &'a Campaign,
    summary: Summary,
    /// Of all tries, over or under way.
    numbers: BTreeSet<usize>,
    left: usize,
    failed_in_row: usize,
}

impl<'a> Sitting<'a> {
    fn begin(campaign: &'a Campaign) -> anyhow::Result<Self> {
        let tries = read_tries(&campaign.folder, campaign.order.subject)?;
        let summary = Summary::of(campaign.wanted, &tries);
        let numbers = tries.iter().map(|tried| tried.number).collect();
        let sitting = Self { campaign, summary, numbers, left: campaign.tries_max, failed_in_row: 0 };
        sitting.publish()?;
        Ok(sitting)
    }

    /// Those under way are expected to count.
    fn wants_another(&self, under_way: usize) -> bool {
        under_way < self.campaign.at_once
            && self.left > 0
            && !self.gave_up()
            && self.summary.counted + under_way < self.campaign.wanted
    }

    /// The first one that no try has: one that was interrupted has left a gap.
    fn take_number(&mut self) -> usize {
        let is_free = |number: &usize| !self.numbers.contains(number);
        let number = (0..self.numbers.len()).find(is_free).unwrap_or(self.numbers.len());
        self.numbers.insert(number);
        self.left -= 1;
        number
    }

    fn add(&mut self, tried: &Tried) -> anyhow::Result<()> {
        match tried.done {
            Try::Failed { .. } => self.failed_in_row += 1,
            Try::Done(_) if !self.gave_up() => self.failed_in_row = 0,
            Try::Done(_) => {}
        }
        self.summary.add(tried);
        self.publish()
    }

    fn gave_up(&self) -> bool {
        self.failed_in_row >= FAILED_IN_ROW_MAX
    }

    fn publish(&self) -> anyhow::Result<()> {
        let Campaign { folder, out, order, .. } = self.campaign;
        publish(folder, out, (order.subject, &self.summary))
    }

    fn told(&self, Tried { name, done, .. }: &Tried) -> String {
        let Summary { counted, wanted, .. } = self.summary;
        match done {
            Try::Done(outcome) => format!("{counted}/{wanted} {outcome}"),
            Try::Failed { why, .. } => format!("{counted}/{wanted} {name} FAILED: {why}"),
        }
    }

    fn end(self) -> anyhow::Result<Summary> {
        if self.gave_up() {
            bail!("{} runs in a row could not be done: see {}", self.failed_in_row, self.campaign.folder.display());
        }
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests;
