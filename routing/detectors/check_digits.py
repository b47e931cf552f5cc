"""Check digits of cards, accounts and ids. All take ASCII digits or letters.

Written from general knowledge of each rule, then held against python-stdnum 2.2 (2026-11-26): over
millions of random numbers the same ones are right. Where it asks for more, these do not: dates of
birth that lie ahead (Belgium, Denmark), places of birth (China). It has no rule for ``icao`` and
``nino``, nor for Swedish coordination numbers; the Corsican letters of ``nir`` are not read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import cycle

_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LETTERS_OF_23 = "TRWAGMYFPDXBNJZSQVHLCKE"
_SIGNS_OF_31 = "0123456789ABCDEFHJKLMNPRSTUVWXY"
# What a sign counts at an odd place of an Italian tax code: of 0 to 9, and of A to Z.
_ODD_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD_LETTERS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
                25, 24, 23)  # fmt: skip
_MONTHS_OF_CODE = "ABCDEHLMPRST"
# The dihedral group of order ten, and the permutation of each place (Verhoeff, 1969).
_DIHEDRAL = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
             "5987604321", "6598710432", "7659821043", "8765932104", "9876543210")  # fmt: skip
_PLACES = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901",
           "2793806415", "7046913258")  # fmt: skip


def weighted(digits: str, weights: Iterable[int]) -> int:
    """Return the sum of the digits, each times its weight, as far as there are weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def is_date(day: str | int, month: str | int) -> bool:
    """Whether a year has such a day."""
    return 1 <= int(month) <= 12 and 1 <= int(day) <= _DAYS[int(month)]


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: payment cards, Swedish personal numbers."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


def verhoeff(digits: str) -> bool:
    """Verhoeff's rule over the dihedral group: Aadhaar."""
    left = 0
    for place, digit in enumerate(reversed(digits)):
        left = int(_DIHEDRAL[left][int(_PLACES[place % 8][int(digit)])])
    return left == 0


def iban(text: str) -> bool:
    """ISO 13616: the first four signs moved to the end, letters as numbers, modulo 97 is 1."""
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def ean13(digits: str) -> bool:
    """GS1's thirteen digits: Swiss AHV numbers."""
    return weighted(digits, cycle((1, 3))) % 10 == 0


def steuer_id(digits: str) -> bool:
    """German tax id: ISO 7064 MOD 11,10, and of the first ten digits one stands 2 or 3 times."""
    times = sorted(Counter(digits[:10]).values())
    if digits[0] == "0" or times[-1] not in (2, 3) or times[-2] != 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def icao(text: str) -> bool:
    """ICAO 9303: weights 7, 3, 1, letters from 10: German identity cards and passports."""
    pairs = zip(text[:-1], cycle((7, 3, 1)), strict=False)
    return text[-1] == str(sum(int(sign, 36) * weight for sign, weight in pairs) % 10)


def nir(digits: str) -> bool:
    """French social security number: sex, year, month, place, order, and 97 less the rest."""
    month = int(digits[3:5])
    known = digits[0] in "123478" and (1 <= month <= 12 or 20 <= month <= 42 or month >= 50)
    return known and digits[5:7] != "00" and 97 - int(digits[:13]) % 97 == int(digits[13:])


def dni(text: str) -> bool:
    """Spanish DNI and NIE: eight digits modulo 23 name the letter; X, Y, Z count as 0, 1, 2."""
    number = text[:-1]
    if number[0].isalpha():
        if number[0] not in "XYZ":
            return False
        number = str("XYZ".index(number[0])) + number[1:]
    return _LETTERS_OF_23[int(number) % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Italian tax code of 16 signs: a month, a day (of women 40 more) and a letter of check."""
    code = text.upper()
    day = int(code[9:11])
    if code[8] not in _MONTHS_OF_CODE or not 1 <= day % 40 <= 31 or day > 71:
        return False
    total = 0
    for place, sign in enumerate(code[:15]):
        value = int(sign, 36) - (10 if sign.isalpha() else 0)
        odd = _ODD_LETTERS if sign.isalpha() else _ODD_DIGITS
        total += value if place % 2 else odd[value]
    return chr(ord("A") + total % 26) == code[15]


def bsn(digits: str) -> bool:
    """Dutch BSN: the test of eleven, with the last digit counted as minus one."""
    return int(digits) > 0 and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def belgian(digits: str) -> bool:
    """Belgian national number: date (months 20 or 40 higher too), 97 less the rest, by century."""
    if not is_date(digits[4:6], int(digits[2:4]) % 20):
        return False
    check = int(digits[9:])
    return check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def pesel(digits: str) -> bool:
    """Polish PESEL: a date with its century in the month, weights 1, 3, 7, 9."""
    known = is_date(digits[4:6], int(digits[2:4]) % 20)
    return known and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def nif(digits: str) -> bool:
    """Portuguese NIF: modulo 11; the rests 0 and 1 both give 0; with a 4 only 45 is given out."""
    rest = weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    given = digits[0] in "12356789" or digits[:2] == "45"
    return given and int(digits[8]) == (0 if rest < 2 else 11 - rest)


def personnummer(digits: str) -> bool:
    """Swedish personal number: a date (of coordination numbers the day 60 higher), and Luhn."""
    short = digits[-10:]
    return is_date(int(short[4:6]) % 60, short[2:4]) and luhn(short)


def hetu(text: str) -> bool:
    """Finnish personal identity code: ddmmyy, a century's letter or a dash, three digits, check."""
    digits = text[:6] + text[-4:-1]
    century = text[6:-4]
    if century not in ("", *"ABCDEFUVWXY") or not is_date(text[:2], text[2:4]):
        return False
    return digits[6:] >= "002" and _SIGNS_OF_31[int(digits) % 31] == text[-1]


def cpr(digits: str) -> bool:
    """Danish CPR: a date; its check digit was given up in 2007."""
    return is_date(digits[:2], digits[2:4])


def svnr(digits: str) -> bool:
    """Austrian social insurance number: a serial, its check digit, and the date of birth."""
    known = digits[0] != "0" and 1 <= int(digits[4:6]) <= 31 and 1 <= int(digits[6:8]) <= 15
    return known and weighted(digits, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11 == int(digits[3])


def ahv(digits: str) -> bool:
    """Swiss AHV number: thirteen digits that begin with the country's 756."""
    return digits[:3] == "756" and ean13(digits)


def nhs(digits: str) -> bool:
    """NHS number of England: modulo 11."""
    total = weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1))
    return total % 11 == 0 and len(set(digits)) > 1


def nino(text: str) -> bool:
    """British national insurance number: letters that are given out, no check digit."""
    code = text.upper()
    unused = ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
    given = code[0] not in "DFIQUV" and code[1] not in "DFIQUVO" and code[:2] not in unused
    return given and code[8] in "ABCD"


def ssn(digits: str) -> bool:
    """US social security number: no check digit; ranges that were never given out are none."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    never = area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000"
    return not never and len(set(digits)) > 1


def chinese(text: str) -> bool:
    """Chinese resident identity number: GB 11643, ISO 7064 MOD 11-2, with a date of birth."""
    known = text[6:8] in ("19", "20") and text[0] in "12345678"
    if not known or not is_date(text[12:14], text[10:12]):
        return False
    rest = weighted(text, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    return "10X98765432"[rest] == text[17].upper()


def cpf(digits: str) -> bool:
    """Brazilian CPF: two check digits modulo 11; one digit nine times is none."""

    def check(most: int) -> int:
        return weighted(digits, range(most, 1, -1)) * 10 % 11 % 10

    known = len(set(digits[:9])) > 1
    return known and check(10) == int(digits[9]) and check(11) == int(digits[10])


def aadhaar(digits: str) -> bool:
    """Indian Aadhaar number: twelve digits, the first 2 to 9, Verhoeff's check."""
    years = all(digits[at : at + 2] in ("19", "20") for at in (0, 4, 8))
    return digits[0] not in "01" and not years and verhoeff(digits)
