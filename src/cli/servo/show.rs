//! What was found of servos, for people and for programs.

use serde_json::{Value, json};

use crate::follow::servo::commission::exercise::supplied;
use crate::follow::servo::commission::left::{Left, left};
use crate::follow::servo::commission::look::{Seen, Servo, Sight};
use crate::say;

/// What is not a servo that can be used, by its id.
pub(super) fn problem(seen: &Seen) -> String {
    let (id, rate) = (seen.id, seen.rate);
    match seen.sight {
        Sight::Servo(_) => String::new(),
        Sight::Several => say!(
            "id {id} ({rate} baud): its answers are broken or differ: two or more servos have this id (new ones all have 1); \
             connect them one by one and give each an id of its own",
            "ID {id} ({rate} baud): 応答が壊れている、または一致しません。同じIDのサーボが2台以上あります（新品はすべてID 1）。\
             1台ずつ接続し、別々のIDを設定してください"
        ),
        Sight::OldDynamixel => say!(
            "id {id} ({rate} baud): a Dynamixel with protocol 1 (AX, or an MX before its update): FaceTap cannot drive it",
            "ID {id} ({rate} baud): プロトコル1のDynamixel（AX、更新前のMX）です。FaceTapでは使用できません"
        ),
        Sight::OnlyPings(register) => say!(
            "id {id} ({rate} baud): it answers pings and no questions: set its status return level (register {register}) with the \
             maker's program",
            "ID {id} ({rate} baud): ping にのみ応答します。メーカーのソフトで応答レベル（レジスタ{register}）を設定してください"
        ),
        Sight::Unknown(value) => say!(
            "id {id} ({rate} baud): of no family or model that is known ({value}): nothing is written to it",
            "ID {id} ({rate} baud): 未対応の系列または型番です（{value}）。何も書き込みません"
        ),
    }
}

/// The mode for people.
fn mode(servo: &Servo) -> String {
    let mode = servo.found.settings.mode;
    servo
        .protocol
        .mode(mode)
        .map_or_else(|| mode.to_string(), str::to_owned)
}

fn volts(tenths: i32) -> String {
    format!("{:.1}", f64::from(tenths) / 10.0)
}

/// What hinders its use: status, voltage, lateness. What somebody left behind is apart.
pub(super) fn hindrances(servo: &Servo) -> Vec<String> {
    let reading = &servo.found.reading;
    let mut all = Vec::new();
    all.extend(supplied(servo.volts(), reading.voltage).err());
    if reading.status != 0 {
        let what = servo.protocol.complaints(reading.status).join(", ");
        all.push(say!(
            "it reports {what} (status {:#04x}): {}",
            "{what} を報告しています（ステータス {:#04x}）: {}",
            reading.status,
            remedy(servo)
        ));
    }
    if servo.late {
        all.push(say!(
            "it answers later than 50 ms, too late to be driven: the adapter's latency timer, or its reply delay",
            "応答が50 msより遅く、制御できません（アダプターの latency_timer、応答遅延の設定）"
        ));
    }
    all
}

/// What helps against what it reports.
pub(super) fn remedy(servo: &Servo) -> String {
    let status = servo.found.reading.status;
    if status & servo.protocol.overload() != 0 && servo.protocol.overload() != 0 {
        return if servo.protocol.reboot(servo.id).is_some() {
            say!(
                "see that the mount moves freely; `facetap servo test` starts it anew, or switch its power off and on",
                "可動部が自由に動くか確認してください。`facetap servo test` で再起動するか、電源を入れ直してください"
            )
        } else {
            say!(
                "see that the mount moves freely, then switch its power off and on",
                "可動部が自由に動くか確認し、電源を入れ直してください"
            )
        };
    }
    match servo.protocol.complaints(status).first() {
        Some(&"voltage") => say!("check its power supply", "電源電圧を確認してください"),
        Some(&"temperature") => say!("let it cool down", "冷ましてください"),
        _ => say!(
            "switch its power off and on; if it stays, replace it",
            "電源を入れ直してください。続く場合は交換してください"
        ),
    }
}

/// A row of the list.
pub(super) fn row(servo: &Servo, axis: Option<&str>) -> Vec<String> {
    let settings = &servo.found.settings;
    let reading = &servo.found.reading;
    let (low, high) = settings.limits;
    vec![
        servo.id.to_string(),
        axis.unwrap_or("-").to_owned(),
        servo.protocol.name().to_owned(),
        servo.table.model_name(settings.model),
        servo.firmware(),
        servo.rate.to_string(),
        mode(servo),
        reading.position.0.to_string(),
        reading
            .voltage
            .map_or_else(|| "-".to_owned(), |v| format!("{} V", volts(v.into()))),
        reading
            .temperature
            .map_or_else(|| "-".to_owned(), |t| format!("{t} °C")),
        format!("{low}..{high}"),
    ]
}

/// The heading of the list.
pub(super) fn heading() -> Vec<String> {
    let words = say!(
        "id|axis|family|model|firmware|baud|mode|position|voltage|heat|limits",
        "ID|軸|系列|型番|ファームウェア|通信速度|モード|位置|電圧|温度|角度制限"
    );
    words.split('|').map(str::to_owned).collect()
}

/// All about a servo, line by line.
pub(super) fn lines(servo: &Servo, axis: Option<&str>) -> Vec<String> {
    let settings = &servo.found.settings;
    let reading = &servo.found.reading;
    let degrees = f64::from(reading.position.0 - servo.protocol.scale().centre)
        / servo.protocol.scale().per_degree;
    let load = f64::from(reading.load) / f64::from(settings.full_load.max(1)) * 100.0;
    let (low, high) = settings.limits;
    let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let limits = servo.volts().map_or_else(String::new, |(low, high)| {
        let (low, high) = (volts(low), volts(high));
        say!(" (made for {low} to {high} V)", "（範囲 {low}〜{high} V）")
    });
    let torque = if servo.has_torque() {
        say!("on", "オン")
    } else {
        say!("off", "オフ")
    };
    let mut all = vec![
        say!("id:          {}", "ID:          {}", servo.id),
        say!("axis:        {}", "軸:          {}", axis.unwrap_or("-")),
        say!(
            "model:       {} {}, firmware {}",
            "型番:        {} {}、ファームウェア {}",
            servo.protocol.name(),
            servo.table.model_name(settings.model),
            servo.firmware()
        ),
        say!("baud:        {}", "通信速度:    {}", servo.rate),
        say!("mode:        {}", "モード:      {}", mode(servo)),
        say!(
            "position:    {} ({degrees:+.1} degrees)",
            "位置:        {} ({degrees:+.1} 度)",
            reading.position.0
        ),
        say!("limits:      {low} to {high}", "角度制限:    {low}〜{high}"),
        say!(
            "offset:      {}",
            "位置補正:    {}",
            known(
                servo
                    .table
                    .offset
                    .and_then(|o| o.place.of(&servo.memory))
                    .map(|v| v.to_string())
            )
        ),
        say!(
            "voltage:     {}{limits}",
            "電圧:        {}{limits}",
            known(reading.voltage.map(|v| format!("{} V", volts(v.into()))))
        ),
        say!(
            "temperature: {}",
            "温度:        {}",
            known(reading.temperature.map(|t| format!("{t} °C")))
        ),
        say!("load:        {load:+.0} %", "負荷:        {load:+.0} %"),
        say!("torque:      {torque}", "トルク:      {torque}"),
    ];
    all.extend(hindrances(servo));
    for one in others_left(servo) {
        all.push(say!("left behind: {}", "以前の設定: {}", one.told(servo)));
    }
    all
}

/// What was left behind; that there is torque now is no such thing to a list.
fn others_left(servo: &Servo) -> Vec<Left> {
    let mut all = left(servo);
    all.retain(|one| *one != Left::Torque);
    all
}

/// For programs.
pub(super) fn object(seen: &Seen, axis: Option<&str>) -> Value {
    let Sight::Servo(servo) = &seen.sight else {
        let kind = match seen.sight {
            Sight::Several => "several",
            Sight::OldDynamixel => "protocol-1",
            Sight::OnlyPings(_) => "only-pings",
            _ => "unknown",
        };
        return json!({"id": seen.id, "position": null, "baud": seen.rate, "problem": kind, "problems": [problem(seen)]});
    };
    let settings = &servo.found.settings;
    let reading = &servo.found.reading;
    let tenth = |tenths: i32| f64::from(tenths) / 10.0;
    let of = |place: crate::follow::servo::protocol::table::Place| place.of(&servo.memory);
    json!({
        "id": servo.id,
        "axis": axis,
        "position": reading.position.0,
        "family": servo.table.family,
        "model": servo.table.model_name(settings.model),
        "model_number": settings.model,
        "firmware": servo.firmware(),
        "baud": servo.rate,
        "mode": mode(servo),
        "limits": [settings.limits.0, settings.limits.1],
        "offset": servo.table.offset.and_then(|o| of(o.place)),
        "voltage": reading.voltage.map(|v| tenth(v.into())),
        "voltage_limits": servo.volts().map(|(low, high)| [tenth(low), tenth(high)]),
        "temperature": reading.temperature,
        "load": f64::from(reading.load) / f64::from(settings.full_load.max(1)),
        "torque": servo.has_torque(),
        "status": servo.protocol.complaints(reading.status),
        "problems": hindrances(servo),
        "left": others_left(servo).iter().map(|one| one.told(servo)).collect::<Vec<_>>(),
    })
}
