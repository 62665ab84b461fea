"""Field tables of MISCF and MISCA: what the ventilator calls each field, and what sort of thing it holds.

Numbers as in the Puritan Bennett 840 technical reference, DCI chapter; labels in our own words. A label told apart by a
number stands twice in the reply. Fields that are not listed are reserved: they are kept in the raw bytes only.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Sort(Enum):
    """What a field holds."""

    MEASURED = "measured"
    SETTING = "setting"
    LIMIT = "limit"
    ALARM = "alarm"


class Field(NamedTuple):
    """One field: `number` and `unit` as in the manual; `word` is true where it holds a word, false for a number."""

    number: int
    sort: Sort
    word: bool
    name: str
    label: str
    unit: str


def _table(text: str) -> tuple[Field, ...]:
    rows = (line.split("|") for line in text.strip().splitlines())
    return tuple(Field(int(n), Sort(sort), form == "word", name, label, unit) for n, sort, form, name, label, unit in rows)


MISCF = _table("""
8|setting|word|VENT TYPE|ventilation type|
9|setting|word|MODE|ventilation mode|
10|setting|word|MAND TYPE|mandatory breath type|
11|setting|word|SPONT TYPE|spontaneous breath type|
12|setting|word|TRIG TYPE|trigger type|
13|setting|number|f|respiratory rate|/min
14|setting|number|VT|tidal volume|L
15|setting|number|VMAX|peak flow|L/min
16|setting|number|O2%|oxygen|%
17|setting|number|PSENS|pressure sensitivity|cmH2O
18|setting|number|PEEP|PEEP or CPAP|cmH2O
19|setting|number|TPL|plateau time|s
20|setting|number|TA|apnea interval|s
21|setting|number|APNEA VT|apnea tidal volume|L
22|setting|number|APNEA f|apnea respiratory rate|/min
23|setting|number|APNEA VMAX|apnea peak flow|L/min
24|setting|number|APNEA O2%|apnea oxygen|%
25|setting|number|APNEA PI|apnea inspiratory pressure|cmH2O
26|setting|number|APNEA TI|apnea inspiratory time|s
27|setting|word|APNEA FLOW|apnea flow pattern|
28|setting|word|APNEA MAND|apnea mandatory type|
29|setting|number|APNEA I|inspiratory part of the apnea I:E ratio|1
30|setting|number|APNEA E|expiratory part of the apnea I:E ratio|1
31|setting|number|PSUPP|pressure support|cmH2O
32|setting|word|FLOW|flow pattern|
33|setting|word|100% O2|100 % oxygen for suction|
34|limit|number|HIGH PPEAK|high inspiratory pressure limit|cmH2O
35|limit|number|LOW PPEAK|low inspiratory pressure limit|cmH2O
36|limit|number|HIGH VE TOT|high exhaled minute volume limit|L/min
37|limit|number|LOW VE TOT|low exhaled minute volume limit|L/min
38|limit|number|HIGH VTE MAND|high exhaled mandatory tidal volume limit|mL
39|limit|number|LOW VTE MAND|low exhaled mandatory tidal volume limit|mL
40|limit|number|HIGH VTE SPONT|high exhaled spontaneous tidal volume limit|mL
41|limit|number|LOW VTE SPONT|low exhaled spontaneous tidal volume limit|mL
42|limit|number|HIGH fTOT|high respiratory rate limit|/min
43|limit|number|HIGH VTI|high inspired tidal volume limit|mL
44|setting|number|BASE FLOW|base flow|L/min
45|setting|number|VSENS|flow sensitivity|L/min
46|setting|number|PI|inspiratory pressure|cmH2O
47|setting|number|TI|inspiratory time|s
48|setting|number|I|inspiratory part of the I:E ratio, or high part of H:L|1
49|setting|number|E|expiratory part of the I:E ratio, or low part of H:L|1
50|setting|word|CONSTANT|what stays constant when the rate changes|
51|setting|number|TUBE ID|tube inner diameter|mm
52|setting|word|TUBE TYPE|tube type|
53|setting|word|HUMIDIFICATION|humidification type|
54|setting|number|HUMIDIFIER VOLUME|humidifier volume|L
55|setting|word|O2 SENSOR|oxygen sensor|
56|setting|number|DSENS|disconnect sensitivity|%
57|setting|number|RISE TIME|rise time|%
58|setting|number|PAV SUPPORT|PAV+ support|%
59|setting|number|ESENS|expiratory sensitivity, % (L/min for breath type PA)|
60|setting|number|IBW|ideal body weight|kg
61|setting|number|VT SUPP|target support volume|L
62|setting|number|PEEPH|high PEEP|cmH2O
63|setting|number|PEEPL|low PEEP|cmH2O
64|setting|number|TH|high PEEP time|s
65|limit|number|HIGH TI SPONT|high spontaneous inspiratory time limit|s
66|setting|word|CIRCUIT|circuit type|
67|setting|number|TL|low PEEP time|s
68|setting|number|TE|expiratory time|s
69|measured|number|PI END|end inspiratory pressure|cmH2O
70|measured|number|fTOT|total respiratory rate|/min
71|measured|number|VTE|exhaled tidal volume|L
72|measured|number|VE TOT|exhaled minute volume|L/min
73|measured|number|PPEAK|peak airway pressure|cmH2O
74|measured|number|PMEAN|mean airway pressure|cmH2O
75|measured|number|IE E|expiratory part of the I:E ratio, inspiratory part 1|1
76|measured|word|I:E|I:E ratio|
77|measured|number|O2% DELIVERED|delivered oxygen|%
78|measured|number|VTI|inspired tidal volume|L
79|measured|number|PEEPI PAV|intrinsic PEEP|cmH2O
80|measured|number|RTOT|estimated total resistance|cmH2O/L/s
81|measured|number|RPAV|estimated patient resistance|cmH2O/L/s
82|measured|number|EPAV|estimated patient elastance|cmH2O/L
83|measured|number|CPAV|estimated patient compliance|mL/cmH2O
84|measured|number|f/VT/kg|normalised rapid shallow breathing index|
85|measured|number|f/VT|rapid shallow breathing index|
86|measured|number|TI/TTOT|spontaneous inspiratory time fraction|1
87|measured|number|PEEP MON|monitored PEEP|cmH2O
88|measured|number|TI SPONT|spontaneous inspiratory time|s
89|measured|number|VE SPONT|exhaled spontaneous minute volume|L/min
90|measured|number|PEEPI|intrinsic PEEP, expiratory pause|cmH2O
91|measured|number|PEEPTOT|total PEEP, expiratory pause|cmH2O
92|measured|number|CSTAT|static compliance, inspiratory pause|mL/cmH2O
93|measured|number|RSTAT|static resistance, inspiratory pause|cmH2O/L/s
94|measured|number|PPL|plateau pressure, inspiratory pause|cmH2O
95|alarm|word|TI SPONT ALERT|high spontaneous inspiratory time|
96|measured|number|CDYN|dynamic compliance|mL/cmH2O
97|measured|number|RDYN|dynamic resistance|cmH2O/L/s
98|measured|number|PSF|peak spontaneous flow|L/min
99|measured|number|PEF|peak expiratory flow|L/min
100|measured|number|EEF|end expiratory flow|L/min
102|measured|number|NIF|negative inspiratory force|cmH2O
103|measured|number|P0.1|P0.1 pressure change|cmH2O
104|measured|number|VC|vital capacity|L
105|alarm|word|ALARM SILENCE|alarm silence|
106|alarm|word|APNEA|apnea ventilation|
107|alarm|word|HIGH VE TOT|high exhaled minute volume|
108|alarm|word|HIGH VTE|high exhaled tidal volume|
109|alarm|word|HIGH O2%|high oxygen|
110|alarm|word|HIGH PPEAK|high inspiratory pressure|
111|alarm|word|HIGH PVENT|high ventilator pressure|
112|alarm|word|HIGH fTOT|high respiratory rate|
113|alarm|word|AC POWER LOSS|mains power lost|
114|alarm|word|INOPERATIVE BATTERY|battery inoperative|
115|alarm|word|LOW BATTERY|battery low|
116|alarm|word|LOSS OF POWER|power lost|
117|alarm|word|LOW VTE MAND|low exhaled mandatory tidal volume|
118|alarm|word|LOW VE TOT|low exhaled minute volume|
119|alarm|word|LOW VTE SPONT|low exhaled spontaneous tidal volume|
120|alarm|word|LOW O2%|low oxygen|
121|alarm|word|LOW AIR SUPPLY|low air supply pressure|
122|alarm|word|LOW O2 SUPPLY|low oxygen supply pressure|
123|alarm|word|COMPRESSOR|compressor inoperative|
124|alarm|word|DISCONNECT|circuit disconnect|
125|alarm|word|OCCLUSION|severe occlusion|
126|alarm|word|INSPIRATION TOO LONG|inspiration too long|
127|alarm|word|PROCEDURE ERROR|procedure error|
128|alarm|word|COMPLIANCE LIMITED VT|compliance limited tidal volume|
129|alarm|word|HIGH VTI SPONT|high inspired spontaneous tidal volume|
130|alarm|word|HIGH VTI MAND|high inspired mandatory tidal volume|
131|alarm|word|HIGH PCOMP|high compensation limit|
132|alarm|word|PAV STARTUP|PAV startup too long|
133|alarm|word|PAV R C|PAV resistance and compliance not assessed|
134|alarm|word|VOLUME VC+|volume not delivered, VC+|
135|alarm|word|VOLUME VS|volume not delivered, VS|
136|alarm|word|LOW PPEAK|low inspiratory pressure|
137|alarm|word|TECHNICAL A5|technical malfunction A5|
138|alarm|word|TECHNICAL A10|technical malfunction A10|
139|alarm|word|TECHNICAL A15|technical malfunction A15|
140|alarm|word|TECHNICAL A20|technical malfunction A20|
141|alarm|word|TECHNICAL A25|technical malfunction A25|
142|alarm|word|TECHNICAL A30|technical malfunction A30|
143|alarm|word|TECHNICAL A35|technical malfunction A35|
144|alarm|word|TECHNICAL A40|technical malfunction A40|
145|alarm|word|TECHNICAL A45|technical malfunction A45|
146|alarm|word|TECHNICAL A50|technical malfunction A50|
147|alarm|word|TECHNICAL A55|technical malfunction A55|
148|alarm|word|TECHNICAL A60|technical malfunction A60|
149|alarm|word|TECHNICAL A65|technical malfunction A65|
150|alarm|word|TECHNICAL A70|technical malfunction A70|
151|alarm|word|TECHNICAL A75|technical malfunction A75|
152|alarm|word|TECHNICAL A80|technical malfunction A80|
153|alarm|word|TECHNICAL A85|technical malfunction A85|
154|measured|number|VTE SPONT|spontaneous tidal volume|L
155|measured|number|WOB TOT|total work of breathing|J/L
156|setting|word|LEAK COMPENSATION|leak compensation|
157|measured|number|%LEAK|leak|%
158|measured|number|LEAK PEEP|leak at PEEP|L/min
159|measured|number|VLEAK|leak volume|L
""")

MISCA = _table("""
9|setting|word|MODE|ventilation mode|
10|setting|number|f|respiratory rate|/min
11|setting|number|VT|tidal volume|L
12|setting|number|VMAX|peak flow|L/min
13|setting|number|O2%|oxygen|%
14|setting|number|PSENS|pressure sensitivity|cmH2O
15|setting|number|PEEP|PEEP, or PEEP low in BILEVEL|cmH2O
16|setting|number|TPL|plateau time|s
21|setting|number|TA|apnea interval|s
22|setting|number|APNEA VT|apnea tidal volume|L
23|setting|number|APNEA f|apnea respiratory rate|/min
24|setting|number|APNEA VMAX|apnea peak flow|L/min
25|setting|number|APNEA O2%|apnea oxygen|%
26|setting|number|PSUPP|pressure support|cmH2O
27|setting|word|FLOW|flow pattern|
30|setting|word|100% O2|100 % oxygen|
34|measured|number|fTOT|total respiratory rate|/min
35|measured|number|VTE|exhaled tidal volume|L
36|measured|number|VE TOT|exhaled minute volume|L/min
37|measured|number|VE SPONT|spontaneous minute volume|L/min
38|measured|number|PCIRC MAX|maximum circuit pressure|cmH2O
39|measured|number|PMEAN|mean airway pressure|cmH2O
40|measured|number|PI END|end inspiratory pressure|cmH2O
41|measured|number|IE E|expiratory part of the I:E ratio, inspiratory part 1|1
42|limit|number|HIGH PCIRC|high circuit pressure limit|cmH2O
45|limit|number|LOW VTE|low exhaled tidal volume limit|L
46|limit|number|LOW VE TOT|low exhaled minute volume limit|L/min
47|limit|number|HIGH fTOT|high respiratory rate limit|/min
48|alarm|word|HIGH PCIRC|high circuit pressure|
51|alarm|word|LOW VTE|low exhaled tidal volume|
52|alarm|word|LOW VE TOT|low exhaled minute volume|
53|alarm|word|HIGH fTOT|high respiratory rate|
54|alarm|word|NO O2 SUPPLY|no oxygen supply|
55|alarm|word|NO AIR SUPPLY|no air supply|
57|alarm|word|APNEA|apnea|
63|measured|number|CSTAT|static compliance, inspiratory pause|mL/cmH2O
64|measured|number|RSTAT|static resistance, inspiratory pause|cmH2O/L/s
65|measured|number|CDYN|dynamic compliance|mL/cmH2O
66|measured|number|RDYN|dynamic resistance|cmH2O/L/s
67|measured|number|NIF|negative inspiratory force|cmH2O
68|measured|number|VC|vital capacity|L
69|measured|number|PSF|peak spontaneous flow|L/min
70|setting|number|BASE FLOW|base flow|L/min
71|setting|number|VSENS|flow sensitivity|L/min
84|measured|number|PI END 84|end inspiratory pressure|cmH2O
85|setting|number|PI|inspiratory pressure, or PEEP high|cmH2O
86|setting|number|TI|inspiratory time, or PEEP high time|s
87|setting|number|TA 87|apnea interval|s
88|setting|number|APNEA PI|apnea inspiratory pressure|cmH2O
89|setting|number|APNEA f 89|apnea respiratory rate|/min
90|setting|number|APNEA TI|apnea inspiratory time|s
91|setting|number|APNEA O2% 91|apnea oxygen|%
92|limit|number|HIGH PCIRC 92|high circuit pressure limit|cmH2O
93|alarm|word|ALARM SILENCE|alarm silence|
94|alarm|word|APNEA 94|apnea|
95|alarm|word|OCCLUSION|severe occlusion or disconnect|
96|setting|number|I|inspiratory part of the I:E ratio, or high part of H:L|1
97|setting|number|E|expiratory part of the I:E ratio, or low part of H:L|1
98|setting|number|APNEA I|inspiratory part of the apnea I:E ratio|1
99|setting|number|APNEA E|expiratory part of the apnea I:E ratio|1
100|setting|word|CONSTANT|what stays constant when the rate changes|
101|measured|word|I:E|I:E ratio|
""")

TABLES = {"MISCF": MISCF, "MISCA": MISCA}
