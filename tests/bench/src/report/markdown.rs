use super::{number, shape, table};
use crate::contender::{Contender, REFERENCE};
use crate::load::Shape;
use crate::measure::{Figure, Idle, Quantile, SlowOne};
use crate::results::Results;
use std::fmt::Write as _;

/// All tables of a run, and what has to be known to read them.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = about(results);
    let shapes = &results.about.shapes;
    if results.has(|figure| matches!(figure, Figure::Processor(_))) {
        section(&mut text, "Processor time of the server for a request, in µs", &per_shape(results, shapes, processor));
        section(&mut text, "From a request to its answer, in µs: half / 99 of 100", &per_shape(results, shapes, latency));
        section(&mut text, "Requests a second", &per_shape(results, shapes, |r, c, s| plain(r, c, Figure::Rate(s))));
        section(
            &mut text,
            "Processor time of the load for a request, in µs",
            &per_shape(results, shapes, |r, c, s| plain(r, c, Figure::Load(s))),
        );
    }
    let crowds = results.about.crowds;
    let memory = [
        ("attached", Figure::Memory(Idle::Attached)),
        ("after a 4 KB request", Figure::Memory(Idle::Used)),
        ("and its answer acknowledged", Figure::Memory(Idle::Acknowledged)),
        ("detached", Figure::Memory(Idle::Detached)),
    ];
    columns(&mut text, results, &format!("Memory of an idle session, in bytes ({} sessions)", crowds.idle), &memory);
    let churn = [("µs of the server", Figure::ChurnProcessor), ("sessions a second", Figure::ChurnRate)];
    columns(&mut text, results, "Sessions opened, used once and closed", &churn);
    let resume = [("µs of the server", Figure::ResumeProcessor), ("sessions a second", Figure::ResumeRate)];
    columns(&mut text, results, &format!("Sessions resumed after {} were cut at once", crowds.cut), &resume);
    let told = [("µs of the server for each", Figure::FanOutProcessor), ("ms until all have it", Figure::FanOutTime)];
    columns(&mut text, results, &format!("One notification to {} sessions", crowds.told), &told);
    let beside = |one, quantile| Figure::Beside(one, quantile);
    let slow = [
        ("half, no slow one", beside(SlowOne::Absent, Quantile::Half)),
        ("half, beside a slow one", beside(SlowOne::Present, Quantile::Half)),
        ("99 of 100, no slow one", beside(SlowOne::Absent, Quantile::NinetyNine)),
        ("99 of 100, beside a slow one", beside(SlowOne::Present, Quantile::NinetyNine)),
    ];
    columns(&mut text, results, "A handler that waits 2 ms in one session of 64: latency of the others, in µs", &slow);
    text
}

fn about(results: &Results) -> String {
    let about = &results.about;
    let mut text = format!(
        "Measured on {}, {}; {} rounds in {} s, {} ms each. Medians; ratios to {REFERENCE} are of medians, in brackets the smallest and \
         the largest of the rounds.\n",
        about.date,
        about.machine,
        about.rounds,
        about.time.as_secs(),
        about.each.as_millis(),
    );
    for (name, why) in &results.skipped {
        // A string takes everything.
        let _ = write!(text, "\nSkipped: {name}: {why}.");
    }
    text.push('\n');
    text
}

fn section(text: &mut String, title: &str, table: &str) {
    // A string takes everything.
    let _ = write!(text, "\n### {title}\n\n{table}");
}

fn per_shape(results: &Results, shapes: &[Shape], cell: impl Fn(&Results, &Contender, Shape) -> String) -> String {
    let head: Vec<String> = std::iter::once(String::new()).chain(shapes.iter().map(|s| shape(*s))).collect();
    let row = |c: &Contender| std::iter::once(c.name.to_owned()).chain(shapes.iter().map(|s| cell(results, c, *s))).collect();
    table(&head, &results.contenders.iter().map(row).collect::<Vec<_>>())
}

/// The time, and beside it the ratio with the spread of the rounds' ratios.
fn processor(results: &Results, contender: &Contender, shape: Shape) -> String {
    ratio_cell(results, contender, Figure::Processor(shape))
}

fn ratio_cell(results: &Results, contender: &Contender, figure: Figure) -> String {
    let Some(rounds) = results.rounds(figure, contender.name) else { return "–".into() };
    let median = rounds.median().map(number).unwrap_or_default();
    let Some(reference) = results.rounds(figure, REFERENCE) else { return median };
    let (Some(ratio), Some((least, most))) = (rounds.ratio(reference), rounds.paired(reference).spread()) else { return median };
    if contender.name == REFERENCE {
        let (least, most) = rounds.spread().unwrap_or_default();
        return format!("{median} ({}–{})", number(least), number(most));
    }
    format!("{median} = **{}×** ({}–{})", number(ratio), number(least), number(most))
}

fn latency(results: &Results, contender: &Contender, shape: Shape) -> String {
    let of = |quantile| plain(results, contender, Figure::Latency(shape, quantile));
    format!("{} / {}", of(Quantile::Half), of(Quantile::NinetyNine))
}

fn plain(results: &Results, contender: &Contender, figure: Figure) -> String {
    results.median(figure, contender.name).map_or_else(|| "–".into(), number)
}

/// A table of those who have any of these figures. The first has its ratio with it, where a smaller one is better.
fn columns(text: &mut String, results: &Results, title: &str, figures: &[(&str, Figure)]) {
    let head: Vec<String> = std::iter::once("").chain(figures.iter().map(|(name, _)| *name)).map(str::to_owned).collect();
    let has_any = |c: &&Contender| figures.iter().any(|(_, figure)| results.rounds(*figure, c.name).is_some());
    let row = |c: &Contender| {
        let cells = figures.iter().enumerate().map(|(place, (_, figure))| match place {
            0 => ratio_cell(results, c, *figure),
            _ => plain(results, c, *figure),
        });
        std::iter::once(c.name.to_owned()).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = results.contenders.iter().filter(has_any).map(row).collect();
    if !rows.is_empty() {
        section(text, title, &table(&head, &rows));
    }
}
