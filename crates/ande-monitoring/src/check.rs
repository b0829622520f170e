//! What the definitions must keep to.

use std::collections::BTreeSet;

use ande_telemetry::METRICS;

use crate::{
    RECORDINGS,
    alerts::all,
    dashboards::DASHBOARDS,
    names::{faults as name_faults, shown, table_name},
};

/// Everything that is wrong.
pub(crate) fn faults() -> Vec<String> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for rule in RECORDINGS {
        faults.extend(name_faults(rule.expr).into_iter().map(|f| format!("{}: {f}", rule.name)));
        if !names.insert(rule.name) {
            faults.push(format!("{} is recorded twice", rule.name));
        }
    }
    for alert in all() {
        let name = alert.name;
        let mut fault = |text: String| faults.push(format!("{name}: {text}"));
        name_faults(alert.expr).into_iter().for_each(&mut fault);
        if !names.insert(name) {
            fault("is defined twice".into());
        }
        for other in alert.hides.iter().chain(alert.case.also) {
            if !all().any(|alert| alert.name == *other) {
                fault(format!("there is no alert {other}"));
            }
        }
        if alert.case.at.strip_suffix('m').is_none_or(|at| at.parse::<usize>().is_err()) {
            fault("its test is not looked at after whole minutes".into());
        }
        if alert.act.is_empty() || alert.case.fires.is_empty() {
            fault("says not what to do, or its test fires nothing".into());
        }
        for text in alert.look.iter().chain(alert.act) {
            text_faults(text).into_iter().for_each(&mut fault);
        }
        for (series, _) in alert.case.set {
            name_faults(series).into_iter().for_each(&mut fault);
        }
    }
    let mut on_panels = BTreeSet::new();
    for dashboard in DASHBOARDS {
        for panel in dashboard.rows.iter().flat_map(|row| row.panels) {
            for target in panel.targets {
                let place = format!("{} / {}", dashboard.title, panel.title);
                faults.extend(
                    name_faults(target.expr).into_iter().map(|fault| format!("{place}: {fault}")),
                );
                on_panels.extend(shown(target.expr));
            }
        }
    }
    for metric in METRICS.iter().filter(|metric| !on_panels.contains(metric.name)) {
        faults.push(format!("{} is on no panel", metric.name));
    }
    faults
}

/// Metrics in the running text of a runbook, and the expressions in its commands.
fn text_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')) {
        let ours = ["ande_", "l2_"].iter().any(|prefix| word.starts_with(prefix));
        let recorded = word.starts_with("ande:");
        let known = table_name(word).is_some() || RECORDINGS.iter().any(|rule| rule.name == word);
        if (ours || recorded) && !known {
            faults.push(format!("`{word}` is no metric"));
        }
    }
    if let Some((_, query)) = text.split_once("promtool query instant $PROM '") {
        faults.extend(name_faults(query.trim_end_matches('\'')));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_keep_to_the_table() {
        assert_eq!(faults(), Vec::<String>::new());
    }

    #[test]
    fn texts_of_runbooks_are_checked() {
        assert!(text_faults("see `ande_l1_up` and ande:chain_height:max").is_empty());
        assert_eq!(text_faults("see ande_l1_upp").len(), 1);
        assert_eq!(text_faults("promtool query instant $PROM 'sum(nothing)'").len(), 1);
    }

    #[test]
    fn there_are_enough_alerts_and_pages_for_all() {
        assert!(all().count() >= 25);
        let files = crate::files().unwrap();
        for alert in all() {
            assert!(files.contains_key(&format!("docs/runbooks/{}.md", alert.name)));
        }
    }
}
