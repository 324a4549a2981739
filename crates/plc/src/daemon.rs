//! The daemon: its state, triggers, verdicts, recipes and acknowledgements. Only this file calls it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use inspectd_client::proto::{self, ActivateRecipeRequest, ListRecipesRequest, WatchStatusRequest};
use inspectd_client::{
    Acknowledger, Backoff, Client, Code, ConsumerName, Error, Event, Start, Subscription, Trigger,
    TriggerTarget, VerdictStream,
};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::config::{StationSettings, Target};
use crate::handshake::{Activation, Machine};
use crate::station::Station;
use crate::verdict::{belongs, judged};

/// The interval of the reports of the daemon's state.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// The pause before a lost connection is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// The pause before a trigger is repeated.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);
/// The pause before a refused stream is opened again.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// A model is loaded by the first activation of its recipe.
const ACTIVATION_TIMEOUT: Duration = Duration::from_mins(2);
/// Longer than any `verdict_timeout_ms`, which ends the wait.
const VERDICT_LIMIT: Duration = Duration::from_hours(2);

/// The state of the daemon, as it reported last.
#[derive(Clone, Debug, Default)]
pub struct DaemonState {
    /// Whether it answers.
    pub connected: bool,
    /// The active recipe. Empty: none.
    pub recipe: String,
}

/// Watches the state of the daemon until all receivers are dropped.
pub async fn watch_state(
    client: Client,
    answer_timeout: Duration,
    state: watch::Sender<DaemonState>,
) {
    let mut reported = false;
    while !state.is_closed() {
        let error = watch_once(&client, answer_timeout, &state).await;
        let was_connected = state.borrow().connected;
        state.send_replace(DaemonState::default());
        if was_connected || !reported {
            warn!(%error, "the daemon does not answer");
            reported = true;
        }
        sleep(RECONNECT_PAUSE).await;
    }
}

/// Watches the state until the daemon does not answer.
async fn watch_once(
    client: &Client,
    answer_timeout: Duration,
    state: &watch::Sender<DaemonState>,
) -> Error {
    let mut line = client.line();
    let request = WatchStatusRequest {
        interval: REPORT_INTERVAL.try_into().ok(),
    };
    let mut stream = match client.answer(line.watch_status(request)).await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    loop {
        let message = match timeout(REPORT_INTERVAL + answer_timeout, stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) | Err(_) => return Error::stream_closed(),
            Ok(Err(status)) => return Error::from_stream(&status),
        };
        let status = message.status.unwrap_or_default();
        if !state.borrow().connected {
            info!(
                run = status.run_id,
                version = status.version,
                "the daemon answers"
            );
        }
        state.send_replace(DaemonState {
            connected: true,
            recipe: status.recipe.unwrap_or_default().id,
        });
    }
}

/// Triggers an inspection and passes its verdict to the station. Repeats the same request while the daemon does not
/// answer, as long as the station waits for it.
pub async fn trigger(client: Client, station: Arc<Station>, key: String, part_id: String) {
    let trigger = Trigger {
        part_id,
        client_data: key.clone().into_bytes(),
        idempotency_key: key.clone(),
        wait: Some(VERDICT_LIMIT),
        ..Trigger::new(match &station.settings.target {
            Target::Camera(id) => TriggerTarget::Camera(id.clone()),
            Target::Group(id) => TriggerTarget::Group(id.clone()),
        })
    };
    while station.look(|machine| machine.is_waiting_for(&key)) {
        let error = match client.trigger(&trigger).await {
            Ok(response) => match response.verdict {
                Some(verdict) if belongs(&verdict, &station.settings.target) => {
                    let judged = judged(&verdict, SystemTime::now());
                    let now = Instant::now();
                    if !station.apply(|machine| machine.judged(judged, now)) {
                        let sequence = verdict.sequence;
                        info!(
                            station = station.id,
                            key, sequence, "the verdict arrived too late"
                        );
                    }
                    return;
                }
                _ => Error::Incomplete { field: "verdict" },
            },
            Err(error) => error,
        };
        if !error.is_transient() {
            error!(station = station.id, key, %error, "the daemon refused a trigger");
            station.apply(|machine| machine.refused(&key, Instant::now()));
            return;
        }
        warn!(station = station.id, key, %error, "a trigger was not answered; it is repeated");
        sleep(REPEAT_PAUSE).await;
    }
}

/// Activates a recipe.
pub async fn activate(client: &Client, station: &Station, number: u16, id: &str) {
    let mut recipes = client.recipes();
    let call = recipes.activate_recipe(ActivateRecipeRequest { id: id.to_owned() });
    let answer = match client.answer_within(ACTIVATION_TIMEOUT, call).await {
        Ok(_) => {
            info!(
                station = station.id,
                number,
                recipe = id,
                "recipe activated"
            );
            Activation::Done
        }
        Err(error) if error.is_transient() => {
            warn!(station = station.id, number, recipe = id, %error, "recipe not activated");
            sleep(RECONNECT_PAUSE).await;
            Activation::Unanswered
        }
        Err(error) => {
            error!(station = station.id, number, recipe = id, %error, "recipe refused");
            Activation::Refused
        }
    };
    station.apply(|machine| machine.activated(number, answer, Instant::now()));
}

/// Starts to acknowledge for a station.
pub fn acknowledger(client: &Client, station: &Station) -> Acknowledger {
    let id = station.id.clone();
    client.acknowledger_with(station.settings.consumer.clone(), move |sequence, error| {
        warn!(station = id, sequence, %error, "a verdict cannot be acknowledged to the daemon");
    })
}

/// Takes the verdicts of the stream one by one, in mode `follow`. `connected` is whether the stream is open.
pub async fn follow(client: Client, station: Arc<Station>, connected: watch::Sender<bool>) {
    loop {
        if let Err(error) = follow_once(&client, &station, &connected).await {
            connected.send_replace(false);
            error!(station = station.id, %error, "the verdicts cannot be followed");
            sleep(REFUSED_PAUSE).await;
        }
    }
}

async fn follow_once(
    client: &Client,
    station: &Station,
    connected: &watch::Sender<bool>,
) -> Result<(), Error> {
    let consumer = &station.settings.consumer;
    create_consumer(client, consumer).await?;
    let camera_ids = match &station.settings.target {
        Target::Camera(id) => vec![id.clone()],
        // A filter of cameras would leave out the verdicts of parts.
        Target::Group(_) => Vec::new(),
    };
    let mut stream = client.subscribe(Subscription {
        camera_ids,
        reconnect: Some(Backoff {
            initial: RECONNECT_PAUSE,
            max: Duration::from_secs(2),
        }),
        ..Subscription::from(Start::Consumer(consumer.clone()))
    });
    let mut changes = station.changes();
    loop {
        if changes
            .wait_for(|_| station.look(Machine::wants_verdict))
            .await
            .is_err()
        {
            return Ok(());
        }
        next_event(&mut stream, station, connected).await?;
    }
}

/// Takes the next event of the stream.
async fn next_event(
    stream: &mut VerdictStream,
    station: &Station,
    connected: &watch::Sender<bool>,
) -> Result<(), Error> {
    let Some(event) = stream.next().await else {
        return Err(Error::stream_closed());
    };
    match event? {
        Event::Verdict(verdict) => {
            connected.send_replace(true);
            if belongs(&verdict, &station.settings.target) {
                let judged = judged(&verdict, SystemTime::now());
                station.apply(|machine| machine.follow(judged, Instant::now()));
            }
        }
        Event::Gap { missed, .. } => {
            error!(station = station.id, missed, "verdicts cannot be delivered");
            station.apply(|machine| machine.missed(missed));
        }
        Event::Disconnected { error, .. } => {
            connected.send_replace(false);
            warn!(station = station.id, %error, "the stream of verdicts was lost");
            if matches!(&error, Error::Refused(refusal) if refusal.code == Code::Aborted) {
                // Another program uses the consumer: both would end each other's stream.
                return Err(error);
            }
        }
        _ => {
            connected.send_replace(true);
        }
    }
    Ok(())
}

/// Lets a new consumer begin with the next verdict: the parts of older verdicts have already passed.
async fn create_consumer(client: &Client, consumer: &ConsumerName) -> Result<(), Error> {
    let consumers = client.consumers().await?;
    if consumers
        .iter()
        .all(|known| known.name != consumer.as_str())
    {
        let newest = client.status().await?.sequence;
        if newest > 0 {
            client.acknowledge(consumer, newest).await?;
        }
    }
    Ok(())
}

/// Returns what the daemon lacks for a station. The daemon does not report modes and groups of cameras: a wrong one is found
/// by the first trigger.
pub fn station_faults(
    status: &proto::Status,
    recipes: Option<&[proto::Recipe]>,
    settings: &StationSettings,
) -> Vec<String> {
    let mut faults = Vec::new();
    if let Target::Camera(id) = &settings.target
        && status.cameras.iter().all(|camera| camera.id != *id)
    {
        faults.push(format!("the daemon has no camera {id}"));
    }
    if status.journal.is_none() {
        faults.push("the daemon has no journal, which acknowledgements need".to_owned());
    }
    for (number, id) in &settings.handshake.recipes {
        let known = recipes.is_some_and(|recipes| recipes.iter().any(|recipe| recipe.id == *id));
        if !known {
            faults.push(format!("recipe {number}: the daemon has no recipe {id}"));
        }
    }
    faults
}

/// Returns the state of the daemon and its recipes (`None`: it has no folder of recipes).
///
/// # Errors
/// If it does not answer, or refuses.
pub async fn inventory(
    client: &Client,
) -> anyhow::Result<(proto::Status, Option<Vec<proto::Recipe>>)> {
    let status = client.status().await?;
    let mut recipes = client.recipes();
    match client
        .answer(recipes.list_recipes(ListRecipesRequest {}))
        .await
    {
        Ok(response) => Ok((status, Some(response.recipes))),
        Err(Error::Refused(refusal)) if refusal.code == Code::FailedPrecondition => {
            Ok((status, None))
        }
        Err(error) => Err(error).context("the recipes cannot be listed"),
    }
}
