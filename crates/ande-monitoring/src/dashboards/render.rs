//! Grafana's JSON.

use std::fmt::Write as _;

use ande_telemetry::METRICS;
use serde_json::{Value, json};

use super::{DASHBOARDS, Dashboard, Kind, Panel};
use crate::{
    names::shown,
    rules::{HEADER, quoted},
};

/// Columns of Grafana's grid.
const WIDTH: u64 = 24;
const DATASOURCE: &str = "${datasource}";

/// Width and height of a panel.
const fn size(kind: Kind) -> (u64, u64) {
    match kind {
        Kind::Stat => (4, 4),
        Kind::Lines | Kind::States => (8, 7),
        Kind::Table => (8, 7),
    }
}

/// Files below `monitoring/grafana`: name and text.
pub(crate) fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = DASHBOARDS
        .iter()
        .map(|dashboard| {
            let text = format!("{:#}\n", render(dashboard));
            (format!("dashboards/{}.json", dashboard.uid), text)
        })
        .collect();
    files.push(("provisioning/datasources/prometheus.yml".into(), datasource()));
    files.push(("provisioning/dashboards/ande.yml".into(), provider()));
    files
}

/// Where a query stands, and the query with the variables replaced by what Grafana would send.
pub(crate) fn queries() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for dashboard in DASHBOARDS {
        for panel in dashboard.rows.iter().flat_map(|row| row.panels) {
            for target in panel.targets {
                let expr = target.expr.replace("$__rate_interval", "1m").replace("$instance", ".*");
                all.push((format!("{} / {}", dashboard.title, panel.title), expr));
            }
        }
    }
    all
}

/// The queries as recording rules `query:<n>`.
pub(crate) fn queries_as_rules() -> String {
    let mut out = String::from("groups:\n  - name: panels\n    rules:\n");
    for (number, (_, expr)) in queries().iter().enumerate() {
        let _ = write!(out, "      - record: query:{number}\n        expr: {}\n", quoted(expr));
    }
    out
}

fn datasource() -> String {
    format!(
        "{HEADER}apiVersion: 1\ndatasources:\n  - name: Prometheus\n    uid: ande-prometheus\n    \
         type: prometheus\n    access: proxy\n    url: ${{ANDE_PROMETHEUS_URL}}\n    isDefault: true\n    \
         editable: false\n    jsonData:\n      httpMethod: POST\n      timeInterval: 5s\n"
    )
}

fn provider() -> String {
    format!(
        "{HEADER}apiVersion: 1\nproviders:\n  - name: ande\n    orgId: 1\n    folder: ANDE\n    \
         type: file\n    disableDeletion: true\n    allowUiUpdates: false\n    \
         updateIntervalSeconds: 30\n    options:\n      path: ${{ANDE_DASHBOARDS}}\n"
    )
}

fn render(dashboard: &Dashboard) -> Value {
    let mut panels = Vec::new();
    let mut y = 0;
    for row in dashboard.rows {
        let id = panels.len() + 1;
        panels.push(json!({
            "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        }));
        y += 1;
        let (mut x, mut line) = (0, 0);
        for panel in row.panels {
            let (w, h) = size(panel.kind);
            if x + w > WIDTH {
                y += line;
                (x, line) = (0, 0);
            }
            panels.push(render_panel(
                panel,
                panels.len() + 1,
                &json!({"x": x, "y": y, "w": w, "h": h}),
            ));
            x += w;
            line = line.max(h);
        }
        y += line;
    }
    json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["ande"],
        "schemaVersion": 39,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [{
            "type": "dashboards", "title": "ANDE", "tags": ["ande"], "asDropdown": true,
            "includeVars": true, "keepTime": true,
        }],
        "templating": {"list": [
            {
                "name": "datasource", "label": "Prometheus", "type": "datasource",
                "query": "prometheus", "current": {}, "hide": 0,
            },
            {
                "name": "instance", "label": "Node", "type": "query",
                "datasource": {"type": "prometheus", "uid": DATASOURCE},
                "query": {"query": "label_values(up{job=\"sequencer\"}, instance)", "refId": "instance"},
                "definition": "label_values(up{job=\"sequencer\"}, instance)",
                "refresh": 2, "sort": 3, "multi": true, "includeAll": true, "allValue": ".*",
                "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0,
            },
        ]},
        "panels": panels,
    })
}

fn render_panel(panel: &Panel, id: usize, grid: &Value) -> Value {
    let instant = panel.kind == Kind::Stat || panel.kind == Kind::Table;
    let targets: Vec<Value> = panel
        .targets
        .iter()
        .zip('A'..='Z')
        .map(|(target, id)| {
            json!({
                "refId": id.to_string(),
                "datasource": {"type": "prometheus", "uid": DATASOURCE},
                "expr": target.expr,
                "legendFormat": target.legend,
                "instant": instant,
                "range": !instant,
                "format": if panel.kind == Kind::Table { "table" } else { "time_series" },
            })
        })
        .collect();
    let (kind, custom, options) = match panel.kind {
        Kind::Stat => (
            "stat",
            json!({}),
            json!({
                "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
                "orientation": "auto", "textMode": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            }),
        ),
        Kind::Lines => (
            "timeseries",
            json!({"drawStyle": "line", "lineWidth": 1, "fillOpacity": 5, "showPoints": "never"}),
            json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
        ),
        Kind::States => (
            "state-timeline",
            json!({"fillOpacity": 70, "lineWidth": 0}),
            json!({
                "mergeValues": true, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8,
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false},
                "tooltip": {"mode": "single", "sort": "none"},
            }),
        ),
        Kind::Table => ("table", json!({}), json!({"showHeader": true, "cellHeight": "sm"})),
    };
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": description(panel),
        "gridPos": grid,
        "datasource": {"type": "prometheus", "uid": DATASOURCE},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "custom": custom, "mappings": []},
            "overrides": [],
        },
        "options": options,
        "targets": targets,
    })
}

/// What the table says of the metrics shown.
fn description(panel: &Panel) -> String {
    let mut rows = Vec::new();
    for target in panel.targets {
        for name in shown(target.expr) {
            if !rows.contains(&name) {
                rows.push(name);
            }
        }
    }
    let helps = METRICS.iter().filter(|metric| rows.contains(&metric.name));
    helps.map(|metric| format!("{}: {}.", metric.name, metric.help)).collect::<Vec<_>>().join("\n")
}
