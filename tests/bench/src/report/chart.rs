use super::{number, shape};
use crate::contender::Contender;
use crate::load::Shape;
use crate::measure::Figure;
use crate::results::Results;
use std::fmt::Write as _;

const LEFT: usize = 250;
const BAR: usize = 380;
const WIDTH: usize = LEFT + BAR + 80;
const LINE: usize = 20;

/// Processor time for a request as bars, a group for each shape; each group has a scale of its own.
pub(crate) fn chart(results: &Results) -> String {
    let groups: Vec<(String, Vec<(&Contender, f64)>)> = results.about.shapes.iter().map(|s| (title(*s), values(results, *s))).collect();
    let lines: usize = groups.iter().map(|(_, bars)| bars.len() + 2).sum();
    let height = lines * LINE + LINE;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
"##
    );
    let mut y = LINE;
    for (title, bars) in groups {
        // A string takes everything, here and below.
        let _ = writeln!(svg, r#"<text x="8" y="{y}" font-weight="bold">{title}</text>"#);
        y += LINE;
        let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (contender, value) in bars {
            let long = value / most * BAR as f64;
            let colour = if contender.is_bowline() { "#1f6feb" } else { "#8c959f" };
            let (text_y, after) = (y + 1, LEFT as f64 + long + 6.0);
            let _ = writeln!(
                svg,
                r#"<text x="{x}" y="{text_y}" text-anchor="end">{name}</text><rect x="{LEFT}" y="{top}" width="{long:.1}" height="13" fill="{colour}"/><text x="{after:.1}" y="{text_y}">{value}</text>"#,
                x = LEFT - 8,
                name = contender.name,
                top = y - 10,
                value = number(value),
            );
            y += LINE;
        }
        y += LINE;
    }
    svg.push_str("</svg>\n");
    svg
}

fn title(of: Shape) -> String {
    format!("{}: µs of the server's processor for a request", shape(of))
}

fn values(results: &Results, shape: Shape) -> Vec<(&Contender, f64)> {
    let value = |c: &Contender| results.median(Figure::Processor(shape), c.name);
    results.contenders.iter().filter_map(|c| Some((c, value(c)?))).collect()
}
