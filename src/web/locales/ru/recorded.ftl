recorded-title = Запись по номерам
recorded-hint = Что происходит с записями каждого номера, что слышит звонящий и чьё согласие нужно. Изменение действует для звонков, начавшихся с этого момента. То, что АТС пишет сама, она продолжит писать: отключите это и там или возьмите наш dialplan, который спрашивает.
recorded-kept = хранить записи
recorded-notice = Предупреждение
recorded-notice-none = нет
recorded-notice-pbx = АТС предупреждает сама
recorded-notice-prompt = файл называет наш ответ
recorded-prompt = Файл
recorded-consent = Согласие
recorded-consent-free = не нужно
recorded-consent-announced = кто услышал предупреждение и остался, согласен
recorded-consent-asked = клиент должен сказать сам: клавишей или сотруднику
recorded-since = С
recorded-no-rule = Правила нет: всё хранится, никого не спрашивают.
recorded-no-pause = Эта АТС не умеет приостанавливать запись.
recorded-left = { $n ->
    [one] По этому правилу не взята { $n } запись.
    [few] По этому правилу не взяты { $n } записи.
   *[other] По этому правилу не взято { $n } записей.
}
recorded-withheld = { $n ->
    [one] { $n } запись ждёт согласия.
    [few] { $n } записи ждут согласия.
   *[other] { $n } записей ждут согласия.
}
recorded-said-saved = Сохранено.
recorded-said-prompt = Назовите файл так, как его проигрывает dialplan: латинские буквы, цифры, «_», «-» и «/».
recorded-said-nothing-announced = Согласие по предупреждению требует предупреждения.
recorded-said-unreadable = Не удалось прочитать.
change-kind-recording = запись
recording-mark-withheld = запись ждёт согласия
recording-state-withheld = Запись есть, но слушать её нельзя: согласие клиента неизвестно.
recording-reason-line-not-recorded = Звонки на этот номер не записываются; то, что есть у АТС, не взято.
recording-reason-consent-refused = Клиент не согласился на запись.
recording-reason-consent-missing = Нужное согласие не отметили вовремя.
recording-withheld = Согласие клиента на эту запись неизвестно.
fact-consents = запись: слово клиента
fact-recording-pauses = запись приостановлена
fact-recording-resumes = запись продолжена
consent-heard = Клиент прослушал предупреждение о записи.
consent-given = Клиент согласился на запись.
consent-refused = Клиент не согласился на запись.
consent-ask = Клиент согласился на запись?
consent-yes = Да, согласен
consent-no = Нет, удалить
consent-unreadable = Укажите, согласился ли клиент.
pause-set = Приостановить запись
pause-resume = Продолжить запись
pause-on = Запись приостановлена.
pause-mark = не записано
pause-to-the-end = до конца
pause-not-recorded = Этот звонок не записывается.
pause-unsupported = Эта АТС не умеет приостанавливать запись.
pause-refused = АТС отказалась приостановить запись.
pauses-title = Не записано:

purged-title = Что удалено
purged-hint = Считается по дням, правилам и таблицам, без содержания. То, что под запретом удаления, остаётся.
purged-none = Пока ничего не удалено.
purged-at = Когда
purged-rule = Класс или правило
purged-what = Что
purged-gone = Сколько
purged-before = Старше
purged-who = Кто просил
purged-detail = Заметка
purged-holds = Запреты удаления
purged-no-holds = Запретов нет.
purged-hold-object = Что
purged-hold-reason = Почему
purged-hold-since = С
purged-hold-by = Кто поставил
purged-upkeep = уход за данными или командная строка
purge-rule-recordings = записи
purge-rule-calls = звонки
purge-rule-cards = карточки без звонков
purge-rule-erase = удалён человек
purge-rule-consent = согласие
purge-rule-consent-refused = отказ от записи
purge-rule-consent-missing = согласие не отмечено вовремя
