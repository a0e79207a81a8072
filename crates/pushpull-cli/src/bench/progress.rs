//! A progress bar, if standard error is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(total: Duration) -> Progress {
        let template = "{msg:26} {bar:40.cyan/238} {percent:>3} %  {elapsed} of about ";
        let total_text = humantime::format_duration(Duration::from_secs(total.as_secs().max(1)));
        let style = ProgressStyle::with_template(&format!("{template}{total_text}"));
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─");
        let bar = ProgressBar::new(total.as_millis() as u64).with_style(style);
        Progress(bar)
    }

    /// Returns a function that prints a line without disturbing the bar, from any thread.
    pub fn teller(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.0.clone();
        move |text| bar.suspend(|| eprintln!("pushpull: {text}"))
    }

    /// Shows what is measured next.
    pub fn show(&self, next: &pushpull_bench::Progress<'_>) {
        self.0.set_message(format!("{}: {}", next.question, next.contender));
        self.0.set_position(next.passed.as_millis() as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
