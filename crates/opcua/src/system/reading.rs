//! Reads results and recipes from the daemon.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use inspectd_client::proto::{ListVerdictsRequest, Recipe, SortOrder};
use inspectd_client::{Client, Verdict};
use opcua::types::{Array, ExtensionObject, StatusCode, Variant, VariantScalarTypeId};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::jobs::{Span, job_of};
use super::recipes::{self, logged};
use crate::call::Answer;
use crate::config::Target;
use crate::configuration;
use crate::request::{Read, RecipeFilter, ResultFilter, Window};
use crate::result::{ResultName, internal_recipe_id, result};
use crate::structures::{Configuration, InspectionResult};

/// Verdicts of a page of the daemon.
const PAGE_SIZE: u32 = 1000;
/// The most verdicts that a filter may read. More would take seconds.
const MOST_READ: usize = 50_000;
/// The most handles that a client has not released.
const MOST_HANDLES: usize = 1000;
/// The most requests that are read at the same time. Further lists are refused, further results wait.
const MOST_READERS: usize = 4;

/// Reads for one system.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    target: Target,
    box_name: Arc<str>,
    handles: Arc<Handles>,
    readers: Arc<Semaphore>,
}

/// Handles of lists. A list is a copy, so a handle holds no data; it can be released once.
#[derive(Debug, Default)]
struct Handles {
    last: AtomicU32,
    open: Mutex<VecDeque<u32>>,
}

impl Handles {
    fn create(&self) -> u32 {
        let handle = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut open = self.open.lock();
        if open.len() >= MOST_HANDLES {
            open.pop_front();
        }
        open.push_back(handle);
        handle
    }

    fn release(&self, handle: u32) -> Answer {
        let mut open = self.open.lock();
        match open.iter().position(|&it| it == handle) {
            Some(index) => {
                open.remove(index);
                Answer::Good(vec![no_error()])
            }
            None => Answer::Bad(StatusCode::BadNotFound),
        }
    }
}

/// The output `Error`: the error is in the status of the call.
pub fn no_error() -> Variant {
    Variant::from(0_i32)
}

impl Reader {
    /// Returns the reader of a system.
    pub fn new(client: Client, target: Target, box_name: &str) -> Self {
        Self {
            client,
            target,
            box_name: box_name.into(),
            handles: Arc::default(),
            readers: Arc::new(Semaphore::new(MOST_READERS)),
        }
    }

    /// Answers a request, unless its client goes away before.
    pub async fn answer(self, request: Read, spans: Vec<Span>, mut reply: oneshot::Sender<Answer>) {
        tokio::select! {
            answer = self.read(request, &spans) => {
                let _ = reply.send(answer);
            }
            () = reply.closed() => {}
        }
    }

    async fn read(&self, request: Read, spans: &[Span]) -> Answer {
        let _permit = match request {
            // These need nothing of the daemon.
            Read::ReleaseResult(handle)
            | Read::ReleaseRecipe(handle)
            | Read::ReleaseConfiguration(handle) => return self.handles.release(handle),
            // A list can take seconds: lists do not wait for each other.
            Read::Results(_) | Read::Recipes(_) | Read::Configurations(_) => {
                match self.readers.try_acquire() {
                    Ok(permit) => permit,
                    Err(_) => return Answer::Bad(StatusCode::BadTooManyOperations),
                }
            }
            _ => match self.readers.acquire().await {
                Ok(permit) => permit,
                // It is never closed.
                Err(_) => return Answer::Bad(StatusCode::BadShutdown),
            },
        };
        let answer = match request {
            Read::Result(id) => self.by_id(&id, spans).await.map(|it| self.whole(it)),
            Read::ResultComponents(id) => self.by_id(&id, spans).await.map(|it| self.parts(it)),
            Read::Results(filter) => self.results(&filter, spans).await,
            Read::Recipes(filter) => self.recipes(&filter).await,
            Read::Configuration(id) => self.configuration(&id).await,
            Read::Configurations(window) => self.configurations(window).await,
            Read::ActivateConfiguration(id) => self.activate_configuration(&id).await,
            Read::ReleaseResult(handle)
            | Read::ReleaseRecipe(handle)
            | Read::ReleaseConfiguration(handle) => return self.handles.release(handle),
        };
        answer.map_or_else(Answer::Bad, Answer::Good)
    }

    async fn by_id(&self, id: &str, spans: &[Span]) -> Result<InspectionResult, StatusCode> {
        let name = ResultName::parse(id, &self.box_name).ok_or(StatusCode::BadNotFound)?;
        let mut inspection = self.client.inspection();
        let request = ListVerdictsRequest {
            from_sequence: name.sequence,
            to_sequence: name.sequence,
            ..ListVerdictsRequest::default()
        };
        let call = inspection.list_verdicts(request);
        let page = self.client.answer(call).await;
        let page = page.map_err(|error| logged(&error, "result not read"))?;
        let mut verdicts = page.verdicts.into_iter();
        let found = verdicts.find(|it| name.is_of(it) && self.target.owns(it));
        let verdict = found.ok_or(StatusCode::BadNotFound)?;
        Ok(self.make(&verdict, spans))
    }

    fn make(&self, verdict: &Verdict, spans: &[Span]) -> InspectionResult {
        result(&self.box_name, verdict, Some(&job_of(spans, verdict)))
    }

    /// The outputs of GetResultById.
    fn whole(&self, result: InspectionResult) -> Vec<Variant> {
        vec![
            Variant::from(self.handles.create()),
            object(result),
            no_error(),
        ]
    }

    /// The outputs of GetResultComponentsById.
    fn parts(&self, result: InspectionResult) -> Vec<Variant> {
        let content = result.result_content.flatten().unwrap_or_default();
        let content = Array {
            value_type: VariantScalarTypeId::ExtensionObject,
            values: content,
            dimensions: None,
        };
        vec![
            Variant::from(result.has_transferable_data_on_file.unwrap_or_default()),
            Variant::from(self.handles.create()),
            Variant::from(result.is_partial),
            Variant::from(result.is_simulated.unwrap_or_default()),
            Variant::from(result.result_state),
            object(result.meas_id.unwrap_or_default()),
            object(result.part_id.unwrap_or_default()),
            object(result.external_recipe_id.unwrap_or_default()),
            object(result.internal_recipe_id),
            object(result.product_id.unwrap_or_default()),
            object(result.external_configuration_id.unwrap_or_default()),
            object(result.internal_configuration_id),
            object(result.job_id),
            Variant::from(result.creation_time),
            object(result.processing_times.unwrap_or_default()),
            Variant::from(content),
            no_error(),
        ]
    }

    /// The outputs of GetResultListFiltered: the newest result first.
    async fn results(
        &self,
        filter: &ResultFilter,
        spans: &[Span],
    ) -> Result<Vec<Variant>, StatusCode> {
        let (verdicts, complete) = match filter.decisions() {
            Some(decisions) => {
                let request = ListVerdictsRequest {
                    camera_ids: self.target.camera_ids(),
                    decisions: decisions.into_iter().map(Into::into).collect(),
                    part_id: filter.part.clone(),
                    recipe_id: filter.recipe_id().to_owned(),
                    page_size: PAGE_SIZE,
                    order: SortOrder::NewestFirst.into(),
                    ..ListVerdictsRequest::default()
                };
                self.matching(request, filter, spans).await?
            }
            None => (Vec::new(), true),
        };
        let results = verdicts.iter().map(|verdict| self.make(verdict, spans));
        let results: Vec<_> = results.map(ExtensionObject::new).collect();
        Ok(vec![
            Variant::from(complete),
            Variant::from(results.len() as u32),
            Variant::from(self.handles.create()),
            Variant::from(results),
            no_error(),
        ])
    }

    /// Reads pages until the window is full. Returns its verdicts, and whether there are no more.
    async fn matching(
        &self,
        mut request: ListVerdictsRequest,
        filter: &ResultFilter,
        spans: &[Span],
    ) -> Result<(Vec<Verdict>, bool), StatusCode> {
        let length = filter.window.length();
        let mut to_skip = filter.window.start as usize;
        let mut found = Vec::new();
        let mut read = 0;
        let mut inspection = self.client.inspection();
        loop {
            let call = inspection.list_verdicts(request.clone());
            let page = self.client.answer(call).await;
            let page = page.map_err(|error| logged(&error, "results not read"))?;
            read += page.verdicts.len();
            for verdict in page.verdicts {
                let is_wanted = self.target.owns(&verdict)
                    && filter.matches(&verdict, &job_of(spans, &verdict));
                if !is_wanted {
                    continue;
                }
                if to_skip > 0 {
                    to_skip -= 1;
                } else if found.len() == length {
                    return Ok((found, false));
                } else {
                    found.push(verdict);
                }
            }
            if page.next_page_token.is_empty() {
                return Ok((found, true));
            }
            if read >= MOST_READ {
                return Err(StatusCode::BadOutOfRange);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The only configuration: that of the daemon.
    async fn active(&self) -> Result<Configuration, StatusCode> {
        let active = configuration::active(&self.client).await;
        active.map_err(|error| logged(&error, "configuration not read"))
    }

    /// The outputs of GetConfigurationById.
    async fn configuration(&self, id: &str) -> Result<Vec<Variant>, StatusCode> {
        let active = self.active().await?;
        if active.internal_id.id.as_ref() != id {
            return Err(StatusCode::BadNotFound);
        }
        Ok(vec![
            Variant::from(self.handles.create()),
            object(active),
            no_error(),
        ])
    }

    /// The outputs of GetConfigurationList.
    async fn configurations(&self, window: Window) -> Result<Vec<Variant>, StatusCode> {
        let active = ExtensionObject::new(self.active().await?);
        let found: Vec<_> = [active].into_iter().skip(window.start as usize).collect();
        Ok(vec![
            Variant::from(true),
            Variant::from(found.len() as u32),
            Variant::from(self.handles.create()),
            Variant::from(found),
            no_error(),
        ])
    }

    /// The outputs of ActivateConfiguration. The daemon activates only its own configuration files: only the active one
    /// can be named.
    async fn activate_configuration(&self, id: &str) -> Result<Vec<Variant>, StatusCode> {
        let active = self.active().await?;
        if active.internal_id.id.as_ref() == id {
            Ok(vec![no_error()])
        } else {
            Err(StatusCode::BadNotFound)
        }
    }

    /// The outputs of GetRecipeListFiltered.
    async fn recipes(&self, filter: &RecipeFilter) -> Result<Vec<Variant>, StatusCode> {
        let listed = recipes::list(&self.client).await;
        let listed = listed.map_err(|error| logged(&error, "recipes not listed"))?;
        let (recipes, complete) = select(listed.unwrap_or_default().recipes, filter);
        let ids = recipes.iter().map(|recipe| {
            ExtensionObject::new(internal_recipe_id(
                &recipe.id,
                &recipe.version,
                &recipe.sha256,
            ))
        });
        let ids: Vec<_> = ids.collect();
        Ok(vec![
            Variant::from(complete),
            Variant::from(ids.len() as u32),
            Variant::from(self.handles.create()),
            Variant::from(ids),
            no_error(),
        ])
    }
}

/// Returns the recipes that a filter selects, and whether there are no more. Those with errors cannot be used, and are left out.
fn select(recipes: Vec<Recipe>, filter: &RecipeFilter) -> (Vec<Recipe>, bool) {
    let usable = recipes
        .into_iter()
        .filter(|recipe| recipe.faults.is_empty());
    let mut matching = usable.filter(|recipe| {
        let same_id = filter.id.is_empty() || filter.id == recipe.id;
        same_id
            && filter
                .prepared
                .is_none_or(|prepared| prepared == recipe.prepared)
    });
    let window = filter.window;
    let from_start = matching.by_ref().skip(window.start as usize);
    let found: Vec<_> = from_start.take(window.length()).collect();
    let complete = matching.next().is_none();
    (found, complete)
}

fn object<T: opcua::types::DynEncodable>(value: T) -> Variant {
    Variant::from(ExtensionObject::new(value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn handle_is_released_once() {
        let handles = Handles::default();
        let first = handles.create();
        let second = handles.create();
        assert_ne!(first, second);
        assert_eq!(handles.release(first), Answer::Good(vec![no_error()]));
        assert_eq!(handles.release(first), Answer::Bad(StatusCode::BadNotFound));
        assert_eq!(handles.release(9999), Answer::Bad(StatusCode::BadNotFound));
        for _ in 0..2 * MOST_HANDLES {
            handles.create();
        }
        assert_eq!(handles.open.lock().len(), MOST_HANDLES);
        assert_eq!(
            handles.release(second),
            Answer::Bad(StatusCode::BadNotFound)
        );
    }

    /// A reader that reads already as much as it may, and whose daemon does not answer.
    async fn busy_reader() -> Reader {
        let endpoint = "http://127.0.0.1:1".parse().expect("an address");
        let client = Client::builder(endpoint).build().expect("no credentials");
        let reader = Reader::new(client, Target::Camera("top".to_owned()), "box-7");
        let all = reader.readers.acquire_many(MOST_READERS as u32).await;
        all.expect("not closed").forget();
        reader
    }

    #[tokio::test]
    async fn further_lists_are_refused_and_handles_are_released_without_waiting() {
        let reader = busy_reader().await;
        let busy = Answer::Bad(StatusCode::BadTooManyOperations);
        let lists = [
            Read::Results(Box::default()),
            Read::Recipes(RecipeFilter::default()),
            Read::Configurations(Window::default()),
        ];
        for list in lists {
            assert_eq!(reader.read(list, &[]).await, busy);
        }
        let handle = reader.handles.create();
        let released = reader.read(Read::ReleaseResult(handle), &[]).await;
        assert_eq!(released, Answer::Good(vec![no_error()]));
    }

    #[tokio::test]
    async fn request_of_a_client_that_is_gone_does_not_wait() {
        let reader = busy_reader().await;
        let (reply, answer) = oneshot::channel();
        let request = Read::Result("box-7/0190/12".to_owned());
        let task = tokio::spawn(reader.answer(request, Vec::new(), reply));
        drop(answer);
        let ended = tokio::time::timeout(Duration::from_mins(1), task).await;
        ended.expect("ended").expect("no panic");
    }

    #[test]
    fn recipes_are_selected_by_id_preparation_and_window() {
        let recipe = |id: &str, prepared, faults: &[&str]| Recipe {
            id: id.to_owned(),
            prepared,
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            ..Recipe::default()
        };
        let all = vec![
            recipe("a", true, &[]),
            recipe("b", false, &[]),
            recipe("c", false, &["no threshold"]),
            recipe("d", true, &[]),
        ];
        let check = |filter: RecipeFilter, expected: &str, complete: bool| {
            let (found, is_complete) = select(all.clone(), &filter);
            let ids: Vec<_> = found.into_iter().map(|recipe| recipe.id).collect();
            assert_eq!(ids.join(""), expected, "{filter:?}");
            assert_eq!(is_complete, complete, "{filter:?}");
        };
        let by = |id: &str, prepared, start, max| RecipeFilter {
            id: id.to_owned(),
            prepared,
            window: Window { max, start },
        };
        check(by("", None, 0, 0), "abd", true);
        check(by("", Some(true), 0, 0), "ad", true);
        check(by("", Some(false), 0, 0), "b", true);
        check(by("d", None, 0, 0), "d", true);
        check(by("", None, 0, 2), "ab", false);
        check(by("", None, 2, 2), "d", true);
        check(by("", None, 9, 2), "", true);
    }
}
