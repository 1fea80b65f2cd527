//! Reading ahead and forgetting, on every engine.

use im_infra::{lifecycle::Lifecycle, telemetry::Telemetry, testing::eventually};
use im_repo::Repo;
use proto::{
    ErrorCode,
    repo::{HeadsRequest, append_outcome::Outcome},
};
use sea_orm::{ConnectionTrait as _, Statement};

use super::{
    append::{first_send, group, reject, send, seq},
    engines::{Engine, Kind, counted, memory_cache, on_every_engine},
};

on_every_engine! {
    r03_a_rejection_is_answered_until_it_is_too_old,
    r04_an_empty_conversation_goes_with_its_last_rejection,
    r04_pruning_and_appending_to_the_same_empty_conversation_do_not_harm_each_other,
    the_heads_of_conversations_that_were_active_last_are_read_ahead,
}

/// Appends one decision, again where the row was pruned at that moment.
async fn outcome(
    engine: &Engine,
    conversation_id: &str,
    decision: proto::repo::Decision,
) -> proto::repo::AppendOutcome {
    loop {
        match engine.store.append(vec![group(conversation_id, 0, vec![decision.clone()])]).await {
            Ok(mut groups) => return groups.remove(0).outcomes.remove(0),
            Err(error) => assert_eq!(error.code(), ErrorCode::Unavailable, "{error}"),
        }
    }
}

async fn rows(engine: &Engine, table: &str) -> i64 {
    let database = sea_orm::Database::connect(engine.options.database.url.expose()).await.unwrap();
    let count = format!("select count(*) from {table}");
    let statement = Statement::from_string(database.get_database_backend(), count);
    database.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

async fn r03_a_rejection_is_answered_until_it_is_too_old(engine: Engine) {
    outcome(&engine, "d:1:2", reject(3, "old")).await;
    engine.clock.advance_ms(1_000);
    outcome(&engine, "d:1:2", reject(3, "young")).await;
    let pruned = engine.store.prune(engine.clock.now_ms()).await.unwrap();
    assert_eq!((pruned.rejections, pruned.conversations, pruned.more), (1, 0, false));
    // Accepted by now; the stored rejection stands as long as it is there.
    assert!(matches!(outcome(&engine, "d:1:2", send(3, "young")).await.outcome, Some(Outcome::Rejected(_))));
    assert_eq!(seq(&outcome(&engine, "d:1:2", send(3, "old")).await), Some(1));
    // With its last rejection the mark goes that makes appends look for them.
    let marked = "conversations where has_rejections = 1";
    assert_eq!(rows(&engine, marked).await, 1);
    assert_eq!(engine.store.prune(engine.clock.now_ms() + 1).await.unwrap().rejections, 1);
    assert_eq!(rows(&engine, marked).await, 0);
}

async fn r04_an_empty_conversation_goes_with_its_last_rejection(engine: Engine) {
    outcome(&engine, "d:1:2", first_send(1, "a")).await;
    let rejected = (2..7).map(|number| {
        let decisions = (0..70).map(|command| reject(3, &format!("r{command}"))).collect();
        group(&format!("d:1:{number}"), i64::from(number == 2), decisions)
    });
    engine.store.append(rejected.collect()).await.unwrap();
    assert_eq!((rows(&engine, "conversations").await, rows(&engine, "rejections").await), (5, 350));
    let (mut rejections, mut conversations, mut passes) = (0, 0, 0);
    loop {
        let pruned = engine.store.prune(engine.clock.now_ms() + 1).await.unwrap();
        rejections += pruned.rejections;
        conversations += pruned.conversations;
        passes += 1;
        if !pruned.more {
            break;
        }
    }
    assert_eq!((rejections, conversations, passes), (350, 4, 2), "the fifth has an entry");
    assert_eq!((rows(&engine, "conversations").await, rows(&engine, "rejections").await), (1, 0));
    assert_eq!(seq(&outcome(&engine, "d:1:3", first_send(1, "b")).await), Some(1), "it is made again");
}

async fn r04_pruning_and_appending_to_the_same_empty_conversation_do_not_harm_each_other(engine: Engine) {
    for number in 0..20 {
        let command = format!("r{number}");
        outcome(&engine, "d:1:2", reject(3, &format!("before{number}"))).await;
        let prune = async {
            loop {
                match engine.store.prune(engine.clock.now_ms() + 1).await {
                    Ok(pruned) => break pruned,
                    Err(error) => assert_eq!(error.code(), ErrorCode::Unavailable, "{error}"),
                }
            }
        };
        let (_, rejected) = tokio::join!(prune, outcome(&engine, "d:1:2", reject(3, &command)));
        assert!(matches!(rejected.outcome, Some(Outcome::Rejected(_))));
    }
    engine.store.prune(engine.clock.now_ms() + 1).await.unwrap();
    assert_eq!((rows(&engine, "conversations").await, rows(&engine, "rejections").await), (0, 0));
    assert_eq!(seq(&outcome(&engine, "d:1:2", first_send(1, "a")).await), Some(1));
}

async fn the_heads_of_conversations_that_were_active_last_are_read_ahead(engine: Engine) {
    for number in 2..5 {
        engine.clock.advance_ms(3_600_000);
        outcome(&engine, &format!("d:1:{number}"), first_send(1, "a")).await;
    }
    let telemetry = Telemetry::for_tests();
    let mut options = engine.options.clone();
    options.cache.warm_up_conversations = 2;
    let repo = Repo::start(&options, memory_cache(), engine.clock.clone(), &telemetry, "").await.unwrap();
    let life = Lifecycle::new();
    repo.keep_up(&life);
    eventually("the warm-up", || async { (counted(&telemetry, "im_cache_fills_total", &[]) == 2).then_some(()) }).await;
    let ids = (2..5).map(|number| format!("d:1:{number}")).collect();
    let heads =
        repo.store().heads(&HeadsRequest { conversation_ids: ids, last_entry: true, fresh: false }).await.unwrap();
    assert!(heads.len() == 3 && heads.iter().all(|head| head.last_entry.is_some()));
    let look_ups =
        |result: &str| counted(&telemetry, "im_cache_lookups_total", &[format!("result=\"{result}\"").as_str()]);
    assert_eq!((look_ups("hit"), look_ups("miss")), (2, 3), "two were there, of three; the warm-up missed two");
}
