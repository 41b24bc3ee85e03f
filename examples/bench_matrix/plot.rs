//! Draws growth as an SVG that is readable on light and on dark pages.

use std::fmt::Write;

use super::report::servers;
use super::servers::Server;
use super::tables::{Measured, number};
use super::workloads::{Workload, growth_stages};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 56.0;
/// Names of the lines stand to the right of this.
const RIGHT: f64 = 590.0;
const PANEL: f64 = 200.0;

/// A server's figures, by number of connections.
pub struct Line {
    pub server: Server,
    pub points: Vec<(f64, f64)>,
}

/// `None` where growth was not measured.
pub fn growth(measured: &Measured<'_>) -> Option<String> {
    let lines = |figure: &str| -> Vec<Line> {
        let line = |server| {
            let point = |stage: &usize| {
                let summary = measured.summary(Workload::Growth, server, &format!("{figure}_{stage}"))?;
                Some((*stage as f64, summary.median))
            };
            let points: Vec<_> = growth_stages(measured.is_quick()).iter().filter_map(point).collect();
            Line { server, points }
        };
        servers(measured, Workload::Growth).into_iter().map(line).filter(|it| it.points.len() > 1).collect()
    };
    let (cpu, mut memory) = (lines("cpu_us"), lines("kb"));
    // It keeps next to nothing of a connection; the others would hardly differ beside that.
    memory.retain(|line| line.server != Server::Floor);
    (!cpu.is_empty()).then(|| draw(&cpu, &memory))
}

pub fn draw(cpu: &[Line], memory: &[Line]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"CPU time per delivery and memory per connection as the connections grow\">\n{STYLE}"
    );
    panel(&mut svg, 40.0, "CPU time per delivery, µs (logarithmic)", cpu);
    panel(&mut svg, 310.0, "Memory per connection, KB (logarithmic)", memory);
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" class=\"middle\">connections</text>",
        f64::midpoint(LEFT, RIGHT),
        HEIGHT - 8.0
    );
    svg.push_str("</svg>\n");
    svg
}

/// Colours of lines are as far from white as from black.
const STYLE: &str = "<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .grid { stroke: #8884; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .hub { stroke-width: 4 }
  @media (prefers-color-scheme: dark) { text { fill: #d6dbe0 } }
</style>
";

fn colour(server: Server) -> &'static str {
    match server {
        Server::Floor => "#8b949e",
        Server::Bun => "#c2790c",
        Server::SocketIo => "#d1495b",
        Server::Socketioxide => "#9b5de5",
        Server::Centrifuge => "#1f9d8b",
        _ => "#2f81f7",
    }
}

/// The y axis is logarithmic: what is twice as much is equally far away, wherever it is.
struct Scale {
    least: f64,
    most: f64,
    widest: f64,
    top: f64,
}

impl Scale {
    fn x(&self, connections: f64) -> f64 {
        LEFT + connections / self.widest * (RIGHT - LEFT)
    }

    fn y(&self, figure: f64) -> f64 {
        let share = (figure.max(self.least) / self.least).ln() / (self.most / self.least).ln();
        self.top + PANEL * (1.0 - share)
    }
}

fn panel(svg: &mut String, top: f64, title: &str, lines: &[Line]) {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let figures = || points().map(|(_, figure)| *figure).filter(|it| *it > 0.0);
    let ticks = ticks(figures().fold(f64::INFINITY, f64::min), figures().fold(0.0, f64::max));
    let (Some(least), Some(most)) = (ticks.first().copied(), ticks.last().copied()) else { return };
    let scale = Scale { least, most, widest: points().map(|(x, _)| *x).fold(1.0, f64::max), top };
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" class=\"title\">{title}</text>", top - 14.0);
    for tick in ticks {
        let y = scale.y(tick);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        let label = format!("{tick}");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" class=\"end\">{label}</text>", LEFT - 8.0, y + 4.0);
    }
    let mut stages: Vec<f64> = points().map(|(x, _)| *x).collect();
    stages.sort_by(f64::total_cmp);
    stages.dedup();
    let mut last = f64::NEG_INFINITY;
    for stage in stages {
        let x = scale.x(stage);
        if x - last > 44.0 {
            let y = top + PANEL + 18.0;
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" class=\"middle\">{}</text>", whole(stage));
            last = x;
        }
    }
    for line in lines {
        curve(svg, &scale, line);
    }
    names(svg, &scale, lines);
}

fn whole(stage: f64) -> String {
    if stage < 1000.0 { format!("{stage}") } else { number(stage) }
}

fn curve(svg: &mut String, scale: &Scale, line: &Line) {
    let class = if line.server == Server::Hub { "line hub" } else { "line" };
    let points: Vec<_> = line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", scale.x(*x), scale.y(*y))).collect();
    let (colour, points) = (colour(line.server), points.join(" "));
    let _ = writeln!(svg, "<polyline class=\"{class}\" stroke=\"{colour}\" points=\"{points}\"/>");
}

/// At the end of each line, pushed apart where lines end close together.
fn names(svg: &mut String, scale: &Scale, lines: &[Line]) {
    let end = |line: &Line| line.points.last().map(|(_, figure)| (scale.y(*figure), line.server));
    let mut ends: Vec<_> = lines.iter().filter_map(end).collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::NEG_INFINITY;
    for (y, server) in ends {
        let y = y.max(free);
        free = y + 16.0;
        let name = server.title().replace('`', "").replace("the floor: epoll and send", "the floor");
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" style=\"fill:{}\">{name}</text>",
            RIGHT + 8.0,
            y + 4.0,
            colour(server)
        );
    }
}

/// 1, 2, 5, 10 and so on, from below the least to above the most.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    if !least.is_finite() || most <= 0.0 {
        return Vec::new();
    }
    let steps = (-3..6).flat_map(|power| [1.0, 2.0, 5.0].map(|it| it * 10f64.powi(power)));
    let all: Vec<f64> = steps.collect();
    let first = all.iter().rposition(|it| *it <= least).unwrap_or(0);
    let last = all.iter().position(|it| *it >= most).unwrap_or(all.len() - 1);
    all[first..=last.max(first + 1).min(all.len() - 1)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_enclose_what_is_shown() {
        assert_eq!(ticks(1.6, 38.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(ticks(2.0, 2.0), [2.0, 5.0]);
        assert_eq!(ticks(f64::INFINITY, 0.0), [0.0; 0]);
    }

    #[test]
    fn every_line_is_drawn_within_its_panel_and_named() {
        let line =
            |server, figures: [f64; 2]| Line { server, points: vec![(1000.0, figures[0]), (18_000.0, figures[1])] };
        let lines = || {
            vec![line(Server::Hub, [1.6, 1.7]), line(Server::Floor, [1.6, 1.71]), line(Server::SocketIo, [40.0, 30.0])]
        };
        let svg = draw(&lines(), &lines());
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert_eq!(svg.matches(">Tertulia<").count(), 2);
        let ys: Vec<f64> = svg
            .split("points=\"")
            .skip(1)
            .flat_map(|it| it.split('"').next().unwrap().split(' '))
            .map(|point| point.split_once(',').unwrap().1.parse().unwrap())
            .collect();
        assert!(ys[..6].iter().all(|y| (40.0..=240.0).contains(y)), "{ys:?}");
        assert!(ys[6..].iter().all(|y| (310.0..=510.0).contains(y)), "{ys:?}");
    }
}
