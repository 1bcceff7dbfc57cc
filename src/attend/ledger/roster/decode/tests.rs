use super::*;

#[test]
fn marks_and_zeros_tell_the_encoding() {
    let text = "04A1B2C3,髙橋 ①\n";
    let wide = |to: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(to).collect() };
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [&b"\xff\xfe"[..], &wide(u16::to_le_bytes)].concat(),
        [&b"\xfe\xff"[..], &wide(u16::to_be_bytes)].concat(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        // 髙 and ① are in CP932 but not in Shift_JIS as standardised.
        b"04A1B2C3,\xfb\xfc\x8b\xb4 \x87\x40\n".to_vec(),
    ] {
        assert_eq!(decode(&bytes).unwrap().text, text, "{bytes:02X?}");
    }
}

#[test]
fn a_file_cut_within_a_character_keeps_its_encoding() {
    let bytes = "04A1B2C3,山田\n04A1B2C4,鈴".as_bytes();
    let decoded = decode(&bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(decoded.text, "04A1B2C3,山田\n04A1B2C4,\u{fffd}");
}

#[test]
fn what_is_doubtful_is_refused_with_its_line() {
    let why = |bytes: &[u8]| format!("{:#}", decode(bytes).unwrap_err());
    let said = why(b"04A1B2C3,Ann\n04A1B2C4,\xff\xff\n");
    assert!(said.contains("line 2") && said.contains("UTF-8"), "{said}");
    let said = why(b"04A1B2C3,Ann\r04A1B2C4,Ku\xe8era\r");
    assert!(said.contains("line 2 (\"04A1B2C4,Ku"), "{said}");
}

#[test]
fn names_that_look_strange_are_not_garbled() {
    for name in [
        "Ann",
        "José",
        "Müller",
        "山田 太郎",
        "ﾔﾏﾀﾞ",
        "Ñúñez",
        "Zoë Åkesson",
        "Renée",
        "André’s",
        "髙橋",
    ] {
        assert!(!is_garbled(name), "{name}");
    }
    for name in ["MÃ¼ller", "JosÃ©", "螻ｱ逕ｰ", "ŽR“c"] {
        assert!(is_garbled(name), "{name}");
    }
}

/// Family and given names of people, put together.
const JAPANESE: (&str, &str) = (
    "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 林 斎藤 清水 山崎 森 池田 橋本 阿部 \
     石川 山下 中島 石井 小川 前田 岡田 長谷川 藤田 後藤 近藤 村上 遠藤 青木 坂本 斉藤 福田 太田 西村 藤井 金子 三浦 岡本 藤原 \
     中野 中川 原田 松田 竹内 小野 田村 和田 石田 森田 上田 原 内田 柴田 酒井 宮崎 横山 高木 安藤 宮本 大野 小島 谷口 今井 工藤 \
     高田 増田 丸山 杉山 村田 大塚 新井 小山 平野 藤本 河野 上野 野口 武田 松井 千葉 岩崎 菅原 木下 久保 佐野 野村 松尾 市川 菊地",
    "太郎 花子 一郎 健太 美咲 翔太 さくら 陽菜 大輔 直樹 結衣 拓也 麻衣 誠 恵 浩二 由美子 和也 明美 隆 智子 達也 裕子 哲也 真由美 \
     学 純 香織 亮 千尋 蓮 凛 悠真 葵 湊 紬 樹 芽依 陽翔 莉子 サトシ ひかり 健一郎 久美子 修 進 博之 典子 雅人 幸子",
);
const CHINESE: (&str, &str) = (
    "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗 梁 宋 郑 谢 韩 唐 冯 于 董 萧 程 曹 袁 邓 许 傅 沈 曾 彭 吕 苏 卢 蒋 蔡 \
     贾 丁 魏 薛 叶 阎 余 潘 杜 戴 夏 钟 汪 田 任 姜 范 方 石 姚 谭 廖 邹 熊 金 陆 郝 孔 白 崔 康 毛 邱 秦 江 史 顾 侯 邵 孟 龙 万 段 雷 钱",
    "伟 芳 娜 秀英 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀兰 霞 平 刚 桂英 建国 志强 小红 晓明 佳怡 子轩 浩然 梓涵 雨桐 一诺 \
     欣怡 俊杰 海燕 玉兰 建华 文博 思远 国庆 春梅 丹丹 婷婷 宇航 嘉豪 慧敏 雪梅 晨曦 鹏飞",
);
const WESTERN: (&str, &str) = (
    "Müller Schröder Jäger Weiß König García Muñoz Peña Núñez López Fernández Gonçalves Magalhães Simões João Åkesson Öberg Bjørnson \
     Sørensen Kjær Håkansson Lefèvre Bélanger Hélène Côté Benoît Françoise Loïc Anaïs Nicolò Zoë Märtha Jørgensen Ångström Groß",
    "Jörg Jürgen Käthe José André Inés Óscar Sofía Björn Åsa Søren Mathéo Chloé Héctor Ramón Adrián René Noémie Günther Uwe Ann",
);

/// Of every name in every encoding, alone and with two others: how many are not read as they are, of so many.
fn refused(
    encoding: &'static Encoding,
    (family, given): (&str, &str),
    together: usize,
) -> (usize, usize) {
    let family: Vec<&str> = family.split_whitespace().collect();
    let given: Vec<&str> = given.split_whitespace().collect();
    let (mut refused, mut all) = (0, 0);
    for i in 0..family.len() * 4 {
        let line = |i: usize| {
            let (a, b) = (
                family[i % family.len()],
                given[(7 * i + i / family.len()) % given.len()],
            );
            format!("04A1B2C3,{a} {b}\n")
        };
        let text: String = (i..i + together).map(line).collect();
        let (bytes, _, lost) = encoding.encode(&text);
        if lost || text.is_ascii() {
            continue;
        }
        all += 1;
        match decode(&bytes) {
            Ok(decoded) => assert_eq!(decoded.text, text, "{}", encoding.name()),
            Err(_) => refused += 1,
        }
    }
    (refused, all)
}

#[test]
fn a_wrong_name_never_comes_out_and_few_are_refused() {
    for (encoding, names) in [
        (UTF_8, JAPANESE),
        (UTF_8, CHINESE),
        (UTF_8, WESTERN),
        (SHIFT_JIS, JAPANESE),
        (EUC_JP, JAPANESE),
        (GBK, CHINESE),
        (WINDOWS_1252, WESTERN),
        (MACINTOSH, WESTERN),
    ] {
        for (together, most) in [(1, 10), (3, 2)] {
            let (refused, all) = refused(encoding, names, together);
            let per_cent = 100 * refused / all;
            println!("{} {together}: {refused} of {all}", encoding.name());
            assert!(
                per_cent <= most,
                "{} {together}: {refused} of {all}",
                encoding.name()
            );
        }
    }
}

/// Other encodings are none of ours: their names are refused, never read as others.
#[test]
fn encodings_that_are_not_known_are_refused() {
    use encoding_rs::{BIG5, EUC_KR, WINDOWS_1250, WINDOWS_1251, WINDOWS_1253, WINDOWS_1254};
    for (encoding, names) in [
        (
            BIG5,
            "陳怡君 林志明 黃淑芬 張家豪 李美玲 王俊傑 吳雅婷 劉建宏 蔡佩珊 楊宗翰 許淑惠 鄭文雄 謝欣怡 郭俊宏 洪雅雯",
        ),
        (
            EUC_KR,
            "김민수 이영희 박지성 최유진 정다은 강호동 조현우 윤서연 장동건 임재범 한지민 오세훈 서태지 신동엽 권나라",
        ),
        (
            WINDOWS_1250,
            "Dvořák Kučera Novák Jiří Łukasz Żak Wójcik Kowalczyk Čapek Němec Růžička Černý Dębski Őry Kamiński Petrovič Ivančić",
        ),
        (
            WINDOWS_1251,
            "Иванов Смирнов Кузнецов Попов Соколов Лебедев Козлов Новиков Морозов Петров",
        ),
        (
            WINDOWS_1253,
            "Παπαδόπουλος Γεωργίου Δημητρίου Νικολάου Ιωάννου",
        ),
        (
            WINDOWS_1254,
            "Yıldız Şahin Çağrı Doğan Aydın Kılıç Öztürk Balcı Gökçe Işık",
        ),
    ] {
        for name in names.split_whitespace() {
            let text = format!("04A1B2C3,{name}\n");
            let bytes = encoding.encode(&text).0;
            if let Ok(decoded) = decode(&bytes) {
                assert_eq!(decoded.text, text, "{}", encoding.name());
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        if let Err(e) = decode(&bytes) {
            proptest::prop_assert!(!e.to_string().is_empty());
        }
    }
}
