//! Arguments, and the requests that are read from them.

use inspectd_client::proto::RecipeTag;
use opcua::types::{ExtensionObject, UAString};

use super::arguments::LONGEST_CAUSE_BYTES;
use super::*;
use crate::structures::{PartId, ProductId, RecipeIdExternal, RecipeIdInternal};

fn object<T: opcua::types::DynEncodable>(value: T) -> Variant {
    Variant::from(ExtensionObject::new(value))
}

fn external(id: &str) -> Variant {
    object(RecipeIdExternal {
        id: id.into(),
        ..RecipeIdExternal::default()
    })
}

fn internal(id: &str) -> Variant {
    object(RecipeIdInternal {
        id: id.into(),
        ..RecipeIdInternal::default()
    })
}

fn part(id: &str) -> Variant {
    object(PartId {
        id: id.into(),
        description: None,
    })
}

fn job_arguments(id: &str, product: &str, parameters: Variant) -> Vec<Variant> {
    let product = object(ProductId {
        id: product.into(),
        description: None,
    });
    vec![
        Variant::Empty,
        part(id),
        external("juice"),
        product,
        parameters,
    ]
}

#[test]
fn job_names_its_part_and_its_recipe() {
    let parse = |method, arguments: &[Variant]| Request::parse(method, arguments);
    let job = parse(
        Method::StartSingleJob,
        &job_arguments(" 4711 ", "", Variant::Empty),
    );
    let expected = JobRequest {
        meas: String::new(),
        part: "4711".to_owned(),
        recipe: Some(RecipeChoice {
            id: "juice".to_owned(),
            ..RecipeChoice::default()
        }),
    };
    assert_eq!(job, Ok(Request::Change(Change::StartSingleJob(expected))));
    let not_supported = Err(ArgumentError::NotSupported);
    let with_product = job_arguments("4711", "bottle", Variant::Empty);
    assert_eq!(parse(Method::StartSingleJob, &with_product), not_supported);
    let with_parameters = job_arguments("4711", "", Variant::from(vec![1_i32]));
    assert_eq!(
        parse(Method::StartSingleJob, &with_parameters),
        not_supported
    );
    // The parts of a continuous job have their own ids.
    let continuous = job_arguments("4711", "", Variant::Empty);
    assert_eq!(parse(Method::StartContinuous, &continuous), not_supported);
}

#[test]
fn wrong_arguments_are_refused_with_their_index() {
    let check = |method, arguments: &[Variant], expected| {
        assert_eq!(
            Request::parse(method, arguments),
            Err(expected),
            "{arguments:?}"
        );
    };
    let wrong = ArgumentError::Wrong;
    check(Method::Reset, &[], ArgumentError::Missing);
    check(
        Method::Reset,
        &[Variant::from(1_i32)],
        ArgumentError::Missing,
    );
    let text = Variant::from("why");
    check(
        Method::Reset,
        &[text.clone(), text.clone()],
        wrong(0, StatusCode::BadTypeMismatch),
    );
    check(
        Method::Reset,
        &[Variant::from(1_i64 << 40), text],
        wrong(0, StatusCode::BadOutOfRange),
    );
    check(
        Method::PrepareRecipe,
        &[part("x"), internal("")],
        wrong(0, StatusCode::BadTypeMismatch),
    );
    check(
        Method::PrepareRecipe,
        &[external(""), internal("")],
        wrong(0, StatusCode::BadOutOfRange),
    );
    check(
        Method::PrepareRecipe,
        &[external("a"), internal("b")],
        wrong(1, StatusCode::BadOutOfRange),
    );
    let long = "x".repeat(129);
    check(
        Method::StartSingleJob,
        &job_arguments(&long, "", Variant::Empty),
        wrong(1, StatusCode::BadOutOfRange),
    );
    check(
        Method::StartSingleJob,
        &job_arguments("a\nb", "", Variant::Empty),
        wrong(1, StatusCode::BadOutOfRange),
    );
    check(
        Method::ReleaseResultHandle,
        &[Variant::from(-1_i32)],
        wrong(0, StatusCode::BadOutOfRange),
    );
}

#[test]
fn recipe_is_chosen_by_either_id() {
    let check = |arguments: [Variant; 2]| {
        let request = Request::parse(Method::PrepareRecipe, &arguments);
        let choice = RecipeChoice {
            id: "juice".to_owned(),
            ..RecipeChoice::default()
        };
        assert_eq!(request, Ok(Request::Change(Change::PrepareRecipe(choice))));
    };
    check([external("juice"), internal("")]);
    check([external("juice"), Variant::Empty]);
    check([Variant::Empty, internal("juice")]);
    check([external("juice"), internal("juice")]);
}

#[test]
fn cause_is_cut_to_what_a_log_line_can_hold() {
    let text = format!("line 1\nline 2 {}", "ü".repeat(200));
    let arguments = [Variant::from(-3_i32), Variant::from(UAString::from(text))];
    let request = Request::parse(Method::Halt, &arguments).expect("accepted");
    let Request::Change(Change::Halt(cause)) = request else {
        panic!("{request:?}");
    };
    assert_eq!(cause.number, -3);
    assert!(cause.description.starts_with("line 1line 2 ü"));
    assert!(cause.description.len() <= LONGEST_CAUSE_BYTES);
}

#[test]
fn filter_restricts_by_what_is_set() {
    let verdict = Verdict {
        decision: Decision::Reject.into(),
        part_id: "4711".to_owned(),
        config_hash: "ab".to_owned(),
        recipe: Some(RecipeTag {
            id: "juice".to_owned(),
            version: "2".to_owned(),
            sha256: "cd".to_owned(),
        }),
        client_data: JobData {
            job: "j1".to_owned(),
            meas: "m1".to_owned(),
        }
        .to_client_data(),
        ..Verdict::default()
    };
    let check = |change: fn(&mut ResultFilter), expected: bool| {
        let mut filter = ResultFilter::default();
        change(&mut filter);
        assert_eq!(filter.matches(&verdict, "j1"), expected, "{filter:?}");
    };
    check(|_| {}, true);
    check(|it| it.state = Some(result_state::COMPLETED), true);
    check(|it| it.state = Some(result_state::FAILED), false);
    check(|it| it.part = "4711".to_owned(), true);
    check(|it| it.part = "4712".to_owned(), false);
    check(|it| it.meas = "m1".to_owned(), true);
    check(|it| it.meas = "m2".to_owned(), false);
    check(|it| it.job = "j1".to_owned(), true);
    check(|it| it.job = "j2".to_owned(), false);
    check(|it| it.external_recipe = "juice".to_owned(), true);
    check(|it| it.external_recipe = "milk".to_owned(), false);
    check(|it| it.internal_recipe.id = "milk".to_owned(), false);
    check(
        |it| {
            it.internal_recipe = RecipeChoice {
                id: "juice".to_owned(),
                version: String::new(),
                sha256: "ce".to_owned(),
            };
        },
        false,
    );
    check(|it| it.configuration = "ac".to_owned(), false);
}

#[test]
fn states_select_decisions_of_the_daemon() {
    let decisions = |state| {
        let filter = ResultFilter {
            state,
            ..ResultFilter::default()
        };
        filter.decisions().map(|decisions| decisions.len())
    };
    assert_eq!(decisions(None), Some(0));
    assert_eq!(decisions(Some(result_state::COMPLETED)), Some(3));
    assert_eq!(decisions(Some(result_state::FAILED)), Some(2));
    // Processing and aborted: verdicts are always complete.
    assert_eq!(decisions(Some(2)), None);
    assert_eq!(decisions(Some(3)), None);
}
