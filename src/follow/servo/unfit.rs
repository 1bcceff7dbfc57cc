//! Why a servo gets no torque, and what to do about it.

use super::following_error::Disobedience;
use super::protocol::Protocol;
use super::steps::Steps;
use crate::say;

/// Why a servo gets no torque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is of another family than the configuration says: the value that tells so.
    Foreign(u16),
    /// Its operating mode is not that of positions.
    Mode(u8),
    /// Its own id is not that by which it answers.
    Id(u8),
    /// Its own limits, in steps, leave nothing of the range of the axis.
    Limits(i32, i32),
    /// It stands beyond the one turn that goals can be in.
    Beyond(Steps),
    /// Its status bits.
    Complains(u16),
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

impl Unfit {
    /// The reason and what to do, for people, in the terms of the servo's protocol.
    #[must_use]
    pub fn told(&self, protocol: &dyn Protocol) -> String {
        let places = protocol.places();
        let name = protocol.name();
        let (first, last) = protocol.scale().goals;
        let (low_at, high_at) = places.limits;
        let (id_at, offset_at, direction_at) = (places.id, places.offset, places.direction);
        match self {
            Self::Foreign(value) => say!(
                "it is no {name} servo (it tells {value}, which is another family or model); correct \"servo.protocol\"",
                "{name} のサーボではありません（識別値 {value}）。\"servo.protocol\" を確認してください"
            ),
            Self::Mode(number) => {
                let is = protocol.mode(*number).unwrap_or("?");
                let Some(mode_at) = places.mode else {
                    return say!(
                        "its limits (registers {low_at} and {high_at}) are both 0, which is {is} mode; `facetap servo \
                         setup` sets them to {first} and {last}",
                        "角度制限（レジスタ{low_at}と{high_at}）が両方 0（{is} モード）です。\
                         `facetap servo setup` で直せます（{first}、{last}）"
                    );
                };
                let wanted = places.position_mode;
                say!(
                    "its operating mode (register {mode_at}) is {number} ({is}) and not {wanted} (position); `facetap servo setup` \
                     sets it",
                    "動作モード（レジスタ{mode_at}）が {wanted}（position）ではなく {number}（{is}）です。\
                     `facetap servo setup` で直せます"
                )
            }
            Self::Id(number) => say!(
                "its id (register {id_at}) is {number}; set it anew (`facetap servo set-id`)",
                "自身のID（レジスタ{id_at}）が {number} です。`facetap servo set-id` で設定し直してください"
            ),
            Self::Limits(low, high) if !protocol.abilities().measures => say!(
                "the controller takes {low} to {high} quarter microseconds, and nothing of the range in \"servo.axes\" lies \
                 between",
                "コントローラーの範囲 {low}〜{high}（1/4 µs 単位）が \"servo.axes\" の範囲と重なりません"
            ),
            Self::Limits(low, high) => say!(
                "its own limits (registers {low_at} and {high_at}) are {low} and {high} steps, and nothing of the range in \
                 \"servo.axes\" lies between; set them anew (`facetap servo range`), or to {first} and {last} \
                 (`facetap servo setup`)",
                "自身の角度制限（レジスタ{low_at}と{high_at}）が {low}〜{high} ステップで、\"servo.axes\" の範囲と重なりません。\
                 `facetap servo range` または `facetap servo setup` で設定してください"
            ),
            Self::Beyond(Steps(position)) => say!(
                "it stands at {position} steps, outside of its one turn from {first} to {last}; turn it to its middle by hand, \
                 or correct its offset (register {offset_at}) and its turns and direction (register {direction_at}) by \
                 `facetap servo setup`",
                "位置が {position} ステップで、1回転の範囲（{first}〜{last}）の外です。手で中央へ回すか、`facetap servo setup` で\
                 オフセット（レジスタ{offset_at}）と回転設定（レジスタ{direction_at}）を直してください"
            ),
            Self::Complains(status) => {
                let what = protocol.complaints(*status).join(", ");
                say!(
                    "it reports {what} (status {status:#04x}); make sure that the mount moves freely, let it cool down, \
                     then switch the servos' power off and on",
                    "{what} を報告しています（ステータス {status:#04x}）。可動部が自由に動くか確認し、冷ましてから\
                     サーボの電源を入れ直してください"
                )
            }
            Self::Shared => say!(
                "two servos answer by this id (new ones all have id 1); connect them one by one and give each an id of \
                 its own (`facetap servo setup`)",
                "同じIDのサーボが2台応答しています（新品はすべてID 1）。1台ずつ接続し、別々のIDを設定してください（`facetap servo setup`）"
            ),
            Self::Disobeys(Disobedience::RunsAway, Steps(goal), Steps(at)) => say!(
                "it turned away from its goal (at {at} steps, told to be at {goal}); check its operating mode \
                 and direction (register {direction_at}), and that nobody turns the mount",
                "指示位置から離れる方向へ動きました（位置 {at}、指示 {goal} ステップ）。動作モードと\
                 回転方向（レジスタ{direction_at}）、手で動かしていないかを確認してください"
            ),
            Self::Disobeys(Disobedience::Stands, Steps(goal), Steps(at))
                if !protocol.abilities().measures =>
            {
                say!(
                    "its pulses did not go to where they were told for two seconds (at {at}, told to be at {goal} quarter \
                 microseconds); check the limits of its channel in the Maestro Control Center",
                    "2秒間、パルスが指示値に達しませんでした（{at}、指示 {goal}、1/4 µs 単位）。Maestro Control Center で\
                 チャンネルの範囲を確認してください"
                )
            }
            Self::Disobeys(Disobedience::Stands, Steps(goal), Steps(at)) => say!(
                "it did not go to its goal for two seconds (at {at} steps, told to be at {goal}), though its load shows no \
                 end; check its power, and that the mount moves freely",
                "2秒間、指示位置へ動きませんでした（位置 {at}、指示 {goal} ステップ）。機械的な限界の負荷はありません。\
                 電源と、可動部が自由に動くかを確認してください"
            ),
        }
    }
}
