"""Common English words of three to six letters, the plaintext of the cipher family."""

_TEXT = """
    able above actor again agree alarm album alive allow alone among angle animal answer apple april arena argue arm
    army arrow art autumn away baby back bag bake ball band bank basket bath beach bean bear beauty bed begin behind
    bell below bench best better bird black blade blue board boat body bone book border bottle bottom bowl box brain
    branch bread break brick bridge bright broad brown brush build burn bus butter button cake call calm camera camp
    candle car card care carry castle cat cause center chain chair chalk chance change cheap cheese child choice
    circle city class clean clear clever climb clock close cloth cloud coast coat coffee cold color come cook copper
    copy corn corner cotton count cover cow crowd cry cup dance dark day deep desert desk dinner dog door double down
    draw dream dress drink drive dry duck dust eagle early earth east easy edge egg eight empty energy engine enjoy
    enter equal even every exact eye face fact fair fall family famous far farm fast father field find fine finger
    finish fire first fish five flag flat floor flower fly follow food foot forest fork form four frame free fresh
    friend front fruit full funny future game garden gate gentle gift give glad glass gold good grand grass gray
    great green ground group grow guard guess guide habit hair half hall hammer hand happy hard hat head hear heart
    heavy height help hill hold home honest honey hope horse hot hour house hungry ice idea inside iron island jacket
    job join joke judge juice jump jungle keep key kind king kiss knee know ladder lake lamp land large laugh lead
    leaf learn left lemon letter level light line lion list little live long look loud love low lucky lunch magic
    main make map market matter meal memory metal middle milk mind minute mirror mix model money month moon morning
    mother mouse move music name narrow nature near neck needle nest never new night nine noble noise north nose note
    number ocean offer oil old open orange order other oven owner page paint pair paper parent park part party path
    pen people pepper piano pick piece pilot place plan plant plate play please pocket poem point pond post power
    price prince public purple puzzle queen quick quiet rabbit race radio rain reach read ready real reason record
    red rest rice rich ride right ring river road rock roof room root rose round rule run safe sail salt sand save
    school screen sea season second seed sell seven shade shape sharp sheep shine ship shoe short show side silver
    simple sing sister six size skin sky sleep slow small smile smooth snow soap sock soft soil son song soon sound
    soup south space speak spoon sport spring square stable star start state step stick stone store storm story
    street strong sugar summer sun sure sweet swim table tail talk tall taste teach team tell ten test thank thick
    think three thumb ticket tiger time tiny today tooth top touch tower town train travel tree trip true trust truth
    turn twelve uncle under useful valley value view voice wait walk wall warm wash watch water wave weak wealth week
    west wheel white whole wide wild win wind window wing winter wise wolf wonder wood word work world write year
    yellow young
"""
WORDS = tuple(_TEXT.split())
assert all(3 <= len(word) <= 7 and word.isalpha() for word in WORDS)
