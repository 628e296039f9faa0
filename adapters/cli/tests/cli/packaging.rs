//! What stands in `packaging/` fits the program.

use crate::support::run;
use std::path::Path;
use std::process::Command;

fn packaging(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(packaging(name)).unwrap()
}

#[test]
fn the_sample_settings_are_understood_those_too_that_are_commented_out() {
    let sample = text("bowline.toml");
    let all = sample.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line)).collect::<Vec<_>>();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample.toml");
    std::fs::write(&path, all.join("\n")).unwrap();
    let effective = run(&["serve", "--config", path.to_str().unwrap(), "--print-config"]).expect_code(0);
    for line in ["tls-cert = \"/run/credentials/bowline.service/cert.pem\"  # file", "metrics = \"127.0.0.1:9464\"  # file"] {
        assert!(effective.lines().contains(&line), "{line:?} is not in:\n{}", effective.stdout);
    }
    run(&["serve", "--config", packaging("bowline.toml").to_str().unwrap(), "--print-config"]).expect_code(0);
}

#[test]
fn the_unit_starts_the_program_with_arguments_that_it_has() {
    let unit = text("bowline.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/bowline ")).unwrap();
    let sample = packaging("bowline.toml");
    let arguments = start.replace("/etc/bowline/bowline.toml", sample.to_str().unwrap());
    run(&[&arguments.split(' ').collect::<Vec<_>>()[..], &["--print-config"]].concat()).expect_code(0);

    // Where there is systemd, it reads the unit as well; the program need only be somewhere.
    if Command::new("systemd-analyze").arg("--version").output().is_ok_and(|ran| ran.status.success()) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bowline.service");
        std::fs::write(&path, unit.replace("/usr/local/bin/bowline", env!("CARGO_BIN_EXE_bowline"))).unwrap();
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        let ours: Vec<_> = said.lines().filter(|line| line.contains("bowline.service")).collect();
        assert!(ours.is_empty(), "{said}");
    }
}

#[test]
fn the_image_builds_this_program_and_copies_it_from_where_it_is_built() {
    let file = text("Dockerfile");
    let what_follows = |instruction: &str| file.lines().find_map(|line| line.strip_prefix(instruction)).unwrap();
    let built = what_follows("RUN cargo build ");
    let profile = "dist";
    assert!(include_str!("../../../../Cargo.toml").lines().any(|line| line == format!("[profile.{profile}]")));
    assert_eq!(built, format!("--profile {profile} --locked -p {}", env!("CARGO_PKG_NAME")));
    let program = Path::new(env!("CARGO_BIN_EXE_bowline")).file_name().unwrap().to_str().unwrap();
    let copied: Vec<&str> = what_follows("COPY --from=build ").split(' ').collect();
    assert_eq!(copied, [format!("{}/target/{profile}/{program}", what_follows("WORKDIR ")), format!("/usr/local/bin/{program}")]);
    assert_eq!(what_follows("ENTRYPOINT "), format!("[\"{program}\"]"));
    assert_eq!(what_follows("ENV BOWLINE_LISTEN=").rsplit(':').next(), Some(what_follows("EXPOSE ")));
    // Nobody: it needs no rights, and no port that would.
    assert_eq!(what_follows("USER "), "65534:65534");
    // Nothing is kept from the build but what a build makes.
    for ignored in text("Dockerfile.dockerignore").lines() {
        assert!([".git", "target", "node_modules"].contains(&ignored.trim_start_matches("**/")), "{ignored}");
    }
}

#[test]
fn the_image_starts_the_program_with_arguments_that_it_has() {
    let file = text("Dockerfile");
    let command = file.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let arguments: Vec<String> = serde_json::from_str(command).unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--print-config"]).collect();
    run(&arguments).expect_code(0);
    for variable in file.lines().filter_map(|line| line.strip_prefix("ENV BOWLINE_")?.split('=').next()) {
        let flag = format!("{} = ", variable.to_lowercase().replace('_', "-"));
        assert!(run(&["serve", "--print-config"]).stdout.contains(&flag), "{flag}");
    }
}
