//! What is shown of a run: Markdown, a chart, the goals.

mod chart;
mod goals;
mod markdown;

pub(crate) use chart::chart;
pub(crate) use goals::goals;
pub(crate) use markdown::markdown;

use crate::load::Shape;

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value {
        v if !v.is_finite() => "–".into(),
        v if v >= 1000.0 => thousands(v),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A shape as people write it.
pub(crate) fn shape(shape: Shape) -> String {
    let size = if shape.bytes >= 1024 { format!("{} KB", shape.bytes / 1024) } else { format!("{} B", shape.bytes) };
    format!("{}×{} {size}", shape.connections, shape.pipeline)
}

/// A Markdown table: the first column to the left, the others to the right.
fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head);
    text.push_str(&format!("|---|{}\n", "--:|".repeat(head.len().saturating_sub(1))));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        assert_eq!([0.126, 12.34, 123.4, 1234.5, 1_234_567.0, f64::NAN].map(number), ["0.13", "12.3", "123", "1,234", "1,234,567", "–"]);
    }

    #[test]
    fn a_shape_says_its_size() {
        assert_eq!(shape(Shape { connections: 64, pipeline: 16, bytes: 4096 }), "64×16 4 KB");
    }
}
