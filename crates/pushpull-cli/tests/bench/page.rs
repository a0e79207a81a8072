//! The page of `--html` and the picture of `--svg`: self-contained, and drawn correctly by a browser in light and dark.

use std::fs;
use std::process::Command;

use super::program::{Files, all};
use pushpull_testing::needed;

/// The sections of the page, with their numbers of plots.
const SECTIONS: [(&str, usize); 6] =
    [("beside", 2), ("write-size", 2), ("backpressure", 12), ("chunks", 4), ("lifetime", 2), ("busy", 4)];

/// A page that loads the report in a frame, and describes its layout.
const LOOK: &str = r#"<!DOCTYPE html><meta name="color-scheme" content="light dark">
<iframe style="width: 1200px; height: 4000px" srcdoc="PAGE"></iframe><pre id="seen"></pre>
<script>
addEventListener('load', () => {
  const frame = document.querySelector('iframe').contentDocument;
  const style = (node, name) => getComputedStyle(node)[name];
  const seen = [`background ${style(frame.body, 'backgroundColor')}`];
  for (const section of frame.querySelectorAll('section')) {
    const plots = [...section.querySelectorAll('svg.plot')];
    const drawn = plots.filter(plot => {
      const box = plot.getBoundingClientRect();
      const marks = [...plot.querySelectorAll('.sign')];
      const inside = marks.every(mark => {
        const at = mark.getBoundingClientRect();
        return at.left >= box.left && at.right <= box.right && at.top >= box.top && at.bottom <= box.bottom;
      });
      return box.width > 200 && box.height > 100 && marks.length > 1 && inside && plot.getAttribute('aria-label');
    });
    seen.push(`section ${section.id} ${plots.length} plots ${drawn.length} drawn`);
  }
  const first = name => frame.querySelector(name);
  seen.push(`line ${style(first('.s-local .line'), 'stroke')}`, `ink ${style(first('.title'), 'fill')}`);
  seen.push(`wide ${frame.documentElement.scrollWidth}`);
  document.getElementById('seen').textContent = seen.join('\n');
});
</script>"#;

/// Returns the layout in a browser that prefers this color scheme: 0 is dark, 1 is light.
fn seen(files: &Files, page: &str, scheme: u8) -> String {
    fs::write(files.at("look.html"), LOOK.replace("PAGE", &html_escape::encode_double_quoted_attribute(page))).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", files.name("profile")))
        .arg(format!("file://{}", files.name("look.html")))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = dom.split_once("<pre id=\"seen\">").unwrap_or_else(|| {
        panic!("the browser did not run the page: {}", String::from_utf8_lossy(&output.stderr));
    });
    rest.split_once("</pre>").unwrap().0.to_owned()
}

#[test]
fn the_picture_is_one_file_for_light_and_dark() {
    let picture = &all().picture;
    assert!(picture.starts_with(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 "#), "{picture}");
    assert!(picture.contains("prefers-color-scheme: dark") && picture.matches("http").count() == 1);
    let marks = picture.matches(r#"class="sign""#).count();
    let bars = picture.matches(r#"class="range""#).count();
    let named = ["Local", "Thread", "Pool"].map(|engine| picture.contains(&format!(">{engine}</text>")));
    // Beside the marks with a bar there are those of the legend.
    assert_eq!((marks - bars, named), (3, [true; 3]), "{picture}");
    assert_eq!(picture.matches("<g ").count(), picture.matches("</g>").count());
}

#[test]
fn the_page_is_self_contained_and_runs_no_script() {
    let page = &all().page;
    for outside in ["http:", "https:", "<script", "src=", "@import", "url(", "<link"] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("Recommendation"));
    // Every figure is in a table, and every mark has a name.
    assert!(page.matches("<details>").count() >= SECTIONS.len());
    assert_eq!(page.matches("class=\"hit\"").count(), page.matches("</title></circle>").count());
}

#[test]
fn a_browser_draws_every_plot_in_light_and_dark() {
    if !needed::there(&["chromium"]) {
        return;
    }
    let files = Files::new();
    let page = &all().page;
    let [dark, light] = [0, 1].map(|scheme| seen(&files, page, scheme));
    for seen in [&dark, &light] {
        for (section, plots) in SECTIONS {
            let line = format!("section {section} {plots} plots {plots} drawn");
            assert!(seen.lines().any(|seen| seen == line), "{line} is not in:\n{seen}");
        }
        // Nothing overflows horizontally.
        let wide = seen.lines().find_map(|line| line.strip_prefix("wide ")).unwrap().parse::<u32>().unwrap();
        assert!(wide <= 1200, "{seen}");
    }
    for line in ["background ", "line ", "ink "] {
        let [dark, light] = [&dark, &light].map(|seen| seen.lines().find(|seen| seen.starts_with(line)).unwrap());
        assert_ne!(dark, light, "the same in light and dark");
    }
}
