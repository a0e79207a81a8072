//! A progress bar, if standard error is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress {
    bar: ProgressBar,
    /// The time of the finished questions.
    before: std::cell::Cell<Duration>,
}

impl Progress {
    pub fn new(total: Duration) -> Progress {
        let template = "{msg:26} {bar:40.cyan/238} {percent:>3} %  {elapsed} of about ";
        let total_text = humantime::format_duration(Duration::from_secs(total.as_secs().max(1)));
        let style = ProgressStyle::with_template(&format!("{template}{total_text}"));
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─");
        let bar = ProgressBar::new(total.as_millis() as u64).with_style(style);
        Progress { bar, before: Duration::ZERO.into() }
    }

    /// Returns a function that prints a line without disturbing the bar, from any thread.
    pub fn teller(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.bar.clone();
        move |text| bar.suspend(|| eprintln!("pushpull: {text}"))
    }

    /// Shows what is measured now, and how much of the question's time has passed.
    pub fn show(&self, question: &str, contender: &str, passed: Duration) {
        self.bar.set_message(format!("{question}: {contender}"));
        self.bar.set_position((self.before.get() + passed).as_millis() as u64);
    }

    /// Marks a question as finished.
    pub fn pass(&self, time: Duration) {
        self.before.set(self.before.get() + time);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
