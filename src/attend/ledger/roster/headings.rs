//! What the heading of a column says about it, in the words of the systems that rosters come from.

use unicode_normalization::UnicodeNormalization as _;

/// What stands in a column. The number is how plainly its heading says so, from 1 to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    Card(u8),
    Employee(u8),
    Name(u8),
    Family,
    Given,
    /// How a name is read: kana, Latin letters.
    Reading,
    /// The day from which the line holds.
    From,
    /// When a person's day begins.
    DayBegins,
    /// Something that is none of these.
    Other,
}

/// A heading for comparison: letters and digits only, in lower case and their usual width.
pub(super) fn plain(heading: &str) -> String {
    heading
        .nfkc()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Words that stand anywhere in a heading.
const READING: &str = "\
    カナ かな 仮名 ふりがな フリガナ よみ ヨミ 読み ローマ字 英字 英語 英文 拼音 kana furigana phonetic romaji \
    roman latin pinyin english";
const OTHER: &str = "\
    部署 所属 部門 会社 法人 企業 店舗 拠点 支店 事業所 学校 学部 学科 クラス 組織 グループ チーム 役職 職種 職位 \
    勤務地 場所 住所 メール 電話 携帯 上司 管理者 承認者 保護者 緊急 種別 種類 区分 状態 期限 失効 備考 メモ 注記 \
    内線 性別 年齢 生年 誕生 入社 入学 採用 退社 退職 雇用 学年 発行 返却 終了 更新 登録日 作成 旧姓 department \
    dept division section company organi office location website branch team group title position role mail phone \
    mobile address manager supervisor status type expir remark note comment gender birth hire issued enddate \
    validto validuntil created updated middle abteilung firma kartentyp bemerkung 部门 公司 单位 職務 职务 岗位 \
    手机 邮箱 电话 地址 性别 备注 班级 学院 部門";
const FROM: &str = "\
    適用開始 有効開始 利用開始 使用開始 貸与日 貸与開始 交付日 配布日 適用日 開始日 開始年月日 validfrom \
    effectivefrom effectivedate startdate startingdate assignedon assignedfrom fromdate gültigab gueltigab 启用日期 \
    生效日期 开始日期 起始日期";
const DAY_BEGINS: &str = "\
    日の始まり 日の始め 日付変更 日替わり daybegins daybegin daystart dayboundary";
const HOLDER: &str = "\
    名義 所有者 保持者 持ち主 持主 使用者名 cardholder cardowner cardname 持卡人";
/// As a reader names what it reads.
const IDENTIFIER: &str = "\
    idm felica フェリカ mifare rfid nfc csn 製造番号 シリアル serial";
const CARD: &str = "\
    カード かーど card badge バッジ 卡 タグ transponder ausweis chip チップ fob tarjeta 카드 carte karte suica \
    pasmo icno ic番号 icid icコード tagid tagno";
/// Numbers of such a thing may be those of its holder.
const PROOF: &str = "\
    社員証 職員証 学生証 会員証 従業員証";
const EMPLOYEE: &str = "\
    社員番号 社員no 社員コード 社員id 従業員番号 従業員no 従業員コード 従業員id 職員番号 職員no 職員コード 職員id \
    スタッフ番号 スタッフno スタッフコード スタッフid 個人番号 個人コード 個人id 学籍番号 学生番号 生徒番号 \
    児童番号 出席番号 会員番号 会員no 会員コード 会員id 利用者番号 利用者コード 利用者id ユーザーid ユーザid \
    ユーザー番号 ユーザーコード ログインid アカウント 登録番号 管理番号 整理番号 人事番号 社番 工号 員工編號 \
    员工编号 员工号 工號 职工号 学号 學號 人员编号 用户编号 编号 編號 employeeid employeeno employeenumber \
    employeenr employeecode empid empno empcode empnum staffid staffno staffnumber staffcode personnel \
    personalnummer personalnr persnr mitarbeiternummer mitarbeiternr mitarbeiterid matricule matricula matrícula \
    payroll studentid studentno studentnumber memberid memberno membernumber userid userno usercode usernumber \
    loginid personid workerid workerno";
const FULL_NAME: &str = "\
    氏名 姓名 フルネーム fullname 社員名 従業員名 職員名 学生名 生徒名 児童名 会員名 利用者名 スタッフ名 担当者名 \
    お名前 本名 名前 employeename staffname personname studentname membername 员工名 이름 성명";
/// Whole headings.
const NAME: &str = "\
    name mitarbeiter mitarbeitername employee staff person naam nome имя фио 社員 従業員 職員 担当者 担当 使用者 \
    利用者 members";
const ACCOUNT: &str = "\
    username ユーザー名 ユーザ名 用户名 accountname ニックネーム nickname 通称 名称 login";
const FAMILY: &str = "\
    姓 氏 苗字 名字 姓漢字 氏漢字 漢字姓 ファミリーネーム familyname lastname surname last nachname familienname \
    nom apellido apellidos cognome sobrenome 姓氏";
const GIVEN: &str = "\
    名 名漢字 漢字名 下の名前 ファーストネーム firstname givenname forename first given vorname prénom prenom \
    nombre";
/// With a number behind it, that of a person.
const PERSON: &str = "\
    社員 従業員 職員 スタッフ 学生 生徒 児童 会員 利用者 担当者 メンバー ユーザ 个人 员工 employee emp staff \
    student member user person worker mitarbeiter 사원 직원";
const ITS_NUMBER: &str = "\
    番号 コード cd no id number code nr num nummer 编号 번호";
/// Numbers, but of what only the contents tell.
const NUMBER: &str = "\
    id 番号 コード code number nummer ユニークid uniqueid";
/// Numbers of lines.
const LINE_NUMBER: &str = "\
    no nr num 連番 通し番号 項番 行番号 行 seq 序号 序號";

/// What a heading says; none if it says nothing.
pub(super) fn meaning(heading: &str) -> Option<Meaning> {
    let plain = plain(heading);
    let has = |words: &str| words.split(' ').any(|w| plain.contains(w));
    let is = |words: &str| words.split(' ').any(|w| plain == w);
    let is_uid = plain == "uid" || (plain.ends_with("uid") && plain != "guid");
    if plain.is_empty() {
        return None;
    }
    Some(if is(LINE_NUMBER) {
        Meaning::Other
    } else if has(DAY_BEGINS) {
        Meaning::DayBegins
    } else if has(READING) || is("セイ メイ") {
        Meaning::Reading
    } else if has(FROM) || is("from since ab から 有効日 start") {
        Meaning::From
    } else if has(HOLDER) {
        Meaning::Name(3)
    } else if has(OTHER) {
        Meaning::Other
    } else if is_uid || has(IDENTIFIER) {
        Meaning::Card(3)
    } else if has(PROOF) && !has(CARD) {
        Meaning::Card(1)
    } else if has(CARD) || is("tag ic icカード") {
        Meaning::Card(2)
    } else if has(EMPLOYEE) || (has(PERSON) && ITS_NUMBER.split(' ').any(|n| plain.ends_with(n))) {
        Meaning::Employee(2)
    } else if is(FAMILY) || has("familyname lastname surname nachname") {
        Meaning::Family
    } else if is(GIVEN) || has("firstname givenname vorname") {
        Meaning::Given
    } else if is(ACCOUNT) || has("username ユーザー名 loginname") {
        Meaning::Name(1)
    } else if has(FULL_NAME) {
        Meaning::Name(4)
    } else if is(NAME) || has("氏名漢字") {
        Meaning::Name(3)
    } else if has("表示名 displayname name") {
        Meaning::Name(2)
    } else if is(NUMBER) {
        Meaning::Employee(1)
    } else if plain.ends_with('名') {
        Meaning::Name(1)
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_the_world_are_understood() {
        use Meaning::{Card, DayBegins, Employee, Family, From, Given, Name, Other, Reading};
        for (want, headings) in [
            (
                Card(3),
                &[
                    "UID",
                    "IDm",
                    "FeliCa IDm",
                    "カードIDm",
                    "Card UID",
                    "NFC ID",
                    "RFID",
                    "Serial Number",
                    "tag_uid",
                ][..],
            ),
            (
                Card(2),
                &[
                    "ICカードNo",
                    "ＩＣカードＮｏ．",
                    "ｶｰﾄﾞ番号",
                    "カード番号",
                    "カードID",
                    "社員カード番号",
                    "Card No.",
                    "card_number",
                    "Badge",
                    "Badge ID",
                    "Tag",
                    "卡号",
                    "IC卡号",
                    "Kartennummer",
                    "Ausweisnummer",
                ],
            ),
            (Card(1), &["社員証番号"]),
            (
                Employee(2),
                &[
                    "社員番号",
                    "社員No.",
                    "従業員番号",
                    "職員番号",
                    "学籍番号",
                    "出席番号",
                    "工号",
                    "员工编号",
                    "学号",
                    "Employee ID",
                    "EmployeeNo",
                    "Staff ID",
                    "User ID",
                    "Mitarbeiternummer",
                    "Personal-Nr.",
                    "Matricule",
                ],
            ),
            (Employee(1), &["ID", "番号", "コード"]),
            (
                Name(4),
                &[
                    "氏名",
                    "氏　名",
                    "氏名（漢字）",
                    "お名前",
                    "名前",
                    "姓名",
                    "フルネーム",
                    "社員名",
                    "社員氏名",
                    "Full Name",
                    "員工姓名",
                ],
            ),
            (
                Name(3),
                &[
                    "Name",
                    "NAME",
                    "カード名義",
                    "Cardholder Name",
                    "Mitarbeiter",
                    "Employee",
                ],
            ),
            (Name(2), &["表示名", "Display Name", "displayName"]),
            (Name(1), &["ユーザー名", "Username"]),
            (
                Family,
                &[
                    "姓",
                    "苗字",
                    "Last Name",
                    "Surname",
                    "family_name",
                    "Nachname",
                ],
            ),
            (
                Given,
                &["名", "First Name", "Given name", "Vorname", "Prénom"],
            ),
            (
                Reading,
                &[
                    "カナ",
                    "フリガナ",
                    "ﾌﾘｶﾞﾅ",
                    "氏名（カナ）",
                    "氏名カナ",
                    "ふりがな",
                    "よみがな",
                    "ローマ字氏名",
                    "姓（カナ）",
                ],
            ),
            (
                From,
                &[
                    "適用開始日",
                    "利用開始日",
                    "Valid from",
                    "from",
                    "貸与日",
                    "Gültig ab",
                ],
            ),
            (DayBegins, &["day_begins", "日の始まり"]),
            (
                Other,
                &[
                    "部署",
                    "所属",
                    "所属名",
                    "会社名",
                    "カード種別",
                    "有効期限",
                    "備考",
                    "Department",
                    "E-mail",
                    "No.",
                    "連番",
                    "Card Type",
                    "電話番号",
                    "入社日",
                ],
            ),
        ] {
            for heading in headings {
                assert_eq!(meaning(heading), Some(want), "{heading}");
            }
        }
        for nothing in ["", "山田 太郎", "04A1B2C3", "Ann Smith", "20180012"] {
            assert_eq!(meaning(nothing), None, "{nothing}");
        }
    }
}
