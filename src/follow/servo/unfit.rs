//! Why a servo gets no torque, and what to do about it.

use std::fmt;

use super::following_error::Disobedience;
use super::steps::Steps;
use super::sts;
use crate::say;

/// Why a servo gets no torque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Its operating mode (register 33) is not that of positions.
    Mode(u8),
    /// Its own id (register 5) is not that by which it answers.
    Id(u8),
    /// Its own limits (registers 9 and 11), in steps, leave nothing of the range of the axis.
    Limits(i32, i32),
    /// It stands beyond the one turn that goals can be in.
    Beyond(Steps),
    /// Its status bits.
    Complains(u8),
    /// Two servos answer at once.
    Shared,
    /// It did not do what it was told: goal and position.
    Disobeys(Disobedience, Steps, Steps),
}

impl Unfit {
    /// Whether it shows only while the servo is driven: to look at it again tells nothing.
    #[must_use]
    pub const fn shows_under_torque(&self) -> bool {
        matches!(self, Self::Disobeys(..) | Self::Complains(_))
    }

    /// Whether it is the same thing again.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Beyond(_), Self::Beyond(_)) => true,
            (Self::Disobeys(one, ..), Self::Disobeys(another, ..)) => one == another,
            (one, another) => one == another,
        }
    }
}

/// The name of an operating mode.
fn mode(number: u8) -> String {
    match number {
        1 => say!("speed", "速度"),
        2 => say!("PWM", "PWM"),
        3 => say!("steps", "ステップ"),
        _ => say!("unknown", "不明"),
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Mode(number) => {
                let name = mode(*number);
                say!(
                    "its operating mode (register 33) is {number} ({name}) and not 0 (position); set it to 0 with the \
                     maker's program, then switch its power off and on",
                    "動作モード（レジスタ33）が 0（位置）ではなく {number}（{name}）です。メーカーのソフトで 0 に設定し、\
                     電源を入れ直してください"
                )
            }
            Self::Id(number) => say!(
                "its id (register 5) is {number}; set it anew with the maker's program",
                "自身のID（レジスタ5）が {number} です。メーカーのソフトで設定し直してください"
            ),
            Self::Limits(low, high) => say!(
                "its own limits (registers 9 and 11) are {low} and {high} steps, and nothing of the range in \"servo.axes\" \
                 lies between; set them to 0 and 4095 with the maker's program",
                "自身の角度制限（レジスタ9と11）が {low}〜{high} ステップで、\"servo.axes\" の範囲と重なりません。\
                 メーカーのソフトで 0 と 4095 に設定してください"
            ),
            Self::Beyond(Steps(position)) => say!(
                "it stands at {position} steps, outside of its one turn from 0 to 4095; turn it to its middle by hand, \
                 or correct its offset (register 31) and phase (register 18, bit 4) with the maker's program",
                "位置が {position} ステップで、1回転の範囲（0〜4095）の外です。手で中央へ回すか、メーカーのソフトで\
                 オフセット（レジスタ31）と位相（レジスタ18のビット4）を直してください"
            ),
            Self::Complains(status) => {
                let what = sts::complaints(*status).join(", ");
                say!(
                    "it reports {what} (status {status:#04x}); make sure that the mount moves freely, let it cool down, \
                     then switch the servos' power off and on",
                    "{what} を報告しています（ステータス {status:#04x}）。可動部が自由に動くか確認し、冷ましてから\
                     サーボの電源を入れ直してください"
                )
            }
            Self::Shared => say!(
                "two servos answer by this id (new ones all have id 1); connect them one by one and give each an id of \
                 its own",
                "同じIDのサーボが2台応答しています（新品はすべてID 1）。1台ずつ接続し、別々のIDを設定してください"
            ),
            Self::Disobeys(Disobedience::RunsAway, Steps(goal), Steps(at)) => say!(
                "it turned away from its goal (at {at} steps, told to be at {goal}); check its operating mode (register \
                 33) and direction (register 18), and that nobody turns the mount",
                "指示位置から離れる方向へ動きました（位置 {at}、指示 {goal} ステップ）。動作モード（レジスタ33）と\
                 回転方向（レジスタ18）、手で動かしていないかを確認してください"
            ),
            Self::Disobeys(Disobedience::Stands, Steps(goal), Steps(at)) => say!(
                "it did not go to its goal for two seconds (at {at} steps, told to be at {goal}), though its load shows no \
                 end; check its power, and that the mount moves freely",
                "2秒間、指示位置へ動きませんでした（位置 {at}、指示 {goal} ステップ）。機械的な限界の負荷はありません。\
                 電源と、可動部が自由に動くかを確認してください"
            ),
        })
    }
}
