//! `gochat dead-letters`: looks at records that were given up, through im-repo.

use im_infra::{
    clock::Clock,
    registry::{Instance, ServiceName},
    rpc::{Channel, ServiceTokens},
};
use prost::Message as _;
use proto::{
    Error, mq,
    repo::{
        DeadLetter, DeadLetterState, GetDeadLetterRequest, ListDeadLettersRequest, MarkDeadLetterRequest,
        dead_letter_repo_client::DeadLetterRepoClient,
    },
};
use tokio::sync::watch;

use crate::{
    cli::{DeadLettersCommand, say},
    config::Config,
    secrets,
};

/// Letters of one page of `list`.
const PAGE: u32 = 100;

pub(super) async fn run(command: DeadLettersCommand, mut config: Config) -> anyhow::Result<()> {
    secrets::find(&mut config)?;
    let mut repo = connect(&config);
    match command {
        DeadLettersCommand::List { all } => list(&mut repo, all).await?,
        DeadLettersCommand::Show { id } => show(&get(&mut repo, id).await?),
        DeadLettersCommand::Replay { id, force } => {
            mark(&mut repo, id, (DeadLetterState::Replaying, force)).await?;
            say(format_args!("{id} will be replayed: im-task sends it back to its topic"));
        }
        DeadLettersCommand::Drop { id } => {
            mark(&mut repo, id, (DeadLetterState::Dropped, false)).await?;
            say(format_args!("{id} is dropped"));
        }
    }
    Ok(())
}

fn connect(config: &Config) -> DeadLetterRepoClient<Channel> {
    let address =
        if config.rpc.advertise.is_empty() { config.rpc.listen.to_string() } else { config.rpc.advertise.clone() };
    let repo = Instance { service: ServiceName::Repo, instance: String::new(), address, slot: 0 };
    // The sender may go: the list never changes.
    let (_, instances) = watch::channel(vec![repo]);
    let tokens = ServiceTokens::new(&config.rpc.secret, Clock::system());
    DeadLetterRepoClient::new(Channel::remote(
        instances,
        (ServiceName::Operator, ServiceName::Repo),
        &config.rpc,
        tokens,
    ))
}

async fn get(repo: &mut DeadLetterRepoClient<Channel>, id: i64) -> Result<DeadLetter, Error> {
    Ok(repo.get(GetDeadLetterRequest { dead_letter_id: id }).await?.into_inner())
}

async fn mark(
    repo: &mut DeadLetterRepoClient<Channel>,
    id: i64,
    (state, force): (DeadLetterState, bool),
) -> Result<(), Error> {
    repo.mark(MarkDeadLetterRequest { dead_letter_id: id, state: state.into(), force }).await?;
    Ok(())
}

async fn list(repo: &mut DeadLetterRepoClient<Channel>, all: bool) -> Result<(), Error> {
    let state = if all { DeadLetterState::Unspecified } else { DeadLetterState::Parked };
    let mut after = 0;
    loop {
        let page = repo.list(ListDeadLettersRequest { after, limit: PAGE, state: state.into() }).await?.into_inner();
        for letter in &page.dead_letters {
            after = letter.dead_letter_id;
            line(letter);
        }
        if !page.more {
            return Ok(());
        }
    }
}

fn line(letter: &DeadLetter) {
    let record = letter.record.clone().unwrap_or_default();
    let code = record.error.map(|error| error.code).unwrap_or_default();
    let (id, state) = (letter.dead_letter_id, state_name(letter.state()));
    say(format_args!(
        "{id}\t{state}\t{}/{}/{}\t{code}\t{} ms",
        record.topic, record.partition, record.offset, record.died_at_ms
    ));
}

const fn state_name(state: DeadLetterState) -> &'static str {
    match state {
        DeadLetterState::Unspecified => "unknown",
        DeadLetterState::Parked => "parked",
        DeadLetterState::Replaying => "replaying",
        DeadLetterState::Replayed => "replayed",
        DeadLetterState::Dropped => "dropped",
    }
}

fn show(letter: &DeadLetter) {
    line(letter);
    let record = letter.record.clone().unwrap_or_default();
    say(format_args!("consumer    {} after {} attempts", record.consumer, record.attempts));
    if let Some(error) = &record.error {
        say(format_args!("error       {}: {}", error.code, error.message));
        for (name, value) in &error.params {
            say(format_args!("  {name}: {value}"));
        }
    }
    say(format_args!("trace       {}", record.trace_parent));
    say(format_args!("key         {}", String::from_utf8_lossy(&record.key)));
    say(format_args!("payload     {} bytes", record.payload.len()));
    // What it is about, not what was said: bodies are not for operators' screens.
    if let Ok(command) = mq::Upstream::decode(record.payload)
        && let Some(caller) = command.caller
    {
        say(format_args!(
            "command     {} of user {} to {}",
            command.command_id, caller.user_id, command.conversation_id
        ));
    }
}
