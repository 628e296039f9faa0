use super::{number, table};
use crate::contender::{Program, Resumption, Talk};
use crate::load::Shape;
use crate::measure::{Figure, Idle, Quantile};
use crate::results::Results;
use crate::servers::Kind;

/// What Bowline wants to be, and what it is. The column "worst" has the worst of our servers on tokio: both dialects, with resumption and
/// without.
pub(crate) fn goals(results: &Results) -> String {
    let head = ["", "good", "goal", "strict", "verdict", "worst", "verdict"].map(str::to_owned);
    let ours: Vec<&str> = of(results, Kind::BowlineTokio);
    let strict = ours.first().copied();
    let rows: Vec<Vec<String>> = wanted()
        .iter()
        .map(|Goal { what, good, goal, unit, measure }| {
            let first = strict.and_then(|name| measure(results, name));
            let worst = ours.iter().filter_map(|name| measure(results, name)).max_by(f64::total_cmp);
            let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{}{unit}", number(value)));
            let verdict = |value: Option<f64>| match value {
                None => "–",
                Some(value) if value <= *goal => "goal",
                Some(value) if value <= *good => "good",
                Some(_) => "missed",
            };
            let bound = |value: &f64| format!("≤ {}{unit}", number(*value));
            vec![
                (*what).to_owned(),
                bound(good),
                bound(goal),
                shown(first),
                verdict(first).to_owned(),
                shown(worst),
                verdict(worst).to_owned(),
            ]
        })
        .collect();
    table(&head, &rows)
}

struct Goal {
    what: &'static str,
    good: f64,
    goal: f64,
    unit: &'static str,
    /// Of one of our servers; less is better.
    measure: fn(&Results, &str) -> Option<f64>,
}

const fn small(connections: usize, pipeline: usize) -> Shape {
    Shape { connections, pipeline, bytes: 100 }
}

const ONE: [Shape; 2] = [small(1, 1), small(64, 1)];
const MANY: [Shape; 2] = [small(1, 64), small(64, 16)];
const LARGE: Shape = Shape { connections: 64, pipeline: 16, bytes: 4096 };

fn wanted() -> Vec<Goal> {
    let goal = |what, good, goal, measure| Goal { what, good, goal, unit: "", measure };
    vec![
        goal("1×64 and 64×16, 100 B, to hand-json", 2.0, 1.3, |r, name| processor(r, &MANY, name)),
        goal("1×1 and 64×1, 100 B, to hand-json", 1.15, 1.05, |r, name| processor(r, &ONE, name)),
        goal("64×16, 4 KB, to hand-json", 1.3, 0.9, |r, name| processor(r, &[LARGE], name)),
        goal("p99 / p50 at 64×16, 100 B", 3.0, 2.0, |r, name| {
            let latency = |quantile| r.median(Figure::Latency(MANY[1], quantile), name);
            Some(latency(Quantile::NinetyNine)? / latency(Quantile::Half)?)
        }),
        Goal {
            what: "idle session, attached, also after 4 KB",
            good: 4.0,
            goal: 2.0,
            unit: " KB",
            measure: |r, name| {
                let memory = |state| r.median(Figure::Memory(state), name);
                Some(memory(Idle::Attached)?.max(memory(Idle::Used)?) / 1024.0)
            },
        },
        Goal {
            what: "idle session after 4 KB, acknowledged",
            good: 4.0,
            goal: 2.0,
            unit: " KB",
            measure: |r, name| Some(r.median(Figure::Memory(Idle::Acknowledged), name)? / 1024.0),
        },
        goal("1×64 and 64×16, 100 B, to jsonrpsee", 0.2, 0.1, |r, name| {
            worst(&MANY, |s| r.ratio_to(Figure::Processor(s), name, "jsonrpsee"))
        }),
        goal("smol against tokio", 1.15, 1.05, |r, name| {
            let other = on_smol(r, name)?;
            worst(&r.about.shapes, |s| r.ratio_to(Figure::Processor(s), other, name))
        }),
        goal("resumption on against off", 1.10, 1.05, |r, name| {
            let other = without_resumption(r, name)?;
            worst(&r.about.shapes, |s| r.ratio_to(Figure::Processor(s), name, other))
        }),
    ]
}

fn processor(results: &Results, shapes: &[Shape], name: &str) -> Option<f64> {
    worst(shapes, |shape| results.ratio(Figure::Processor(shape), name))
}

fn worst(shapes: &[Shape], of: impl Fn(Shape) -> Option<f64>) -> Option<f64> {
    shapes.iter().filter_map(|shape| of(*shape)).max_by(f64::total_cmp)
}

fn of(results: &Results, kind: Kind) -> Vec<&'static str> {
    results.contenders.iter().filter(|c| c.program == Program::Own(kind)).map(|c| c.name).collect()
}

/// The same load on the other runtime, if that is measured.
fn on_smol(results: &Results, name: &str) -> Option<&'static str> {
    let talk = results.contenders.iter().find(|c| c.name == name)?.talk;
    results.contenders.iter().find(|c| c.program == Program::Own(Kind::BowlineSmol) && c.talk == talk).map(|c| c.name)
}

/// The same server under the same load but for resumption, if `name` has it.
fn without_resumption(results: &Results, name: &str) -> Option<&'static str> {
    let contender = results.contenders.iter().find(|c| c.name == name)?;
    let talk = match contender.talk {
        Talk::Strict(Resumption::On) => Talk::Strict(Resumption::Off),
        Talk::Kurento(Resumption::On) => Talk::Kurento(Resumption::Off),
        Talk::Plain | Talk::Strict(Resumption::Off) | Talk::Kurento(Resumption::Off) => return None,
    };
    results.contenders.iter().find(|c| c.program == contender.program && c.talk == talk).map(|c| c.name)
}
